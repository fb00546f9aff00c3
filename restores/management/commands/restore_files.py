"""`manage.py restore_files BACKUP_ID | --instance NAME --to DIR`: a folder that the server's own programs
start as a data directory.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from dataprotect.core import validation
from restores.management.targets import add_target_arguments, read_target
from restores.services import restore_files_start


class Command(JobCommand):
    help = "Write a backup into an empty folder."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_target_arguments(parser)
        parser.add_argument("--to", required=True, metavar="DIR")
        parser.add_argument(
            "--map-tablespace", action="append", default=[], metavar="NAME=DIR",
            help="where a tablespace goes; needed once for each of them",
        )  # fmt: skip

    def answer(self, **options: Any) -> dict[str, Any]:
        backup, instance, target = read_target(self.actor, options)
        spaces = dict(validation.tablespace_mapping(text) for text in options["map_tablespace"])
        found: dict[str, Any] = self.run(
            lambda: restore_files_start(
                actor=self.actor,
                backup=backup,
                instance=instance,
                target=options["to"],
                recovery_target=target,
                tablespaces={name: str(place) for name, place in spaces.items()},
            )
        )
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        words = f"{answer['files']} files, {answer['bytes']} bytes in {answer['seconds']} s"
        return [f"Restored into {answer['data_directory']}: {words}.", *answer["notes"]]
