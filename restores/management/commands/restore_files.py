"""`manage.py restore_files BACKUP_ID --to DIR`: a data directory that the server's own programs start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import backup_get
from dataprotect.core import validation
from restores.services import restore_files_start


class Command(JobCommand):
    help = "Write a backup into an empty folder."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("backup_id", metavar="BACKUP_ID")
        parser.add_argument("--to", required=True, metavar="DIR")
        parser.add_argument(
            "--map-tablespace", action="append", default=[], metavar="NAME=DIR",
            help="where a tablespace goes; needed once for each of them",
        )  # fmt: skip

    def answer(self, **options: Any) -> dict[str, Any]:
        backup = backup_get(user=self.actor, backup_id=validation.backup_id(options["backup_id"]))
        spaces = dict(validation.tablespace_mapping(text) for text in options["map_tablespace"])
        found: dict[str, Any] = self.run(
            lambda: restore_files_start(
                actor=self.actor,
                backup=backup,
                target=options["to"],
                tablespaces={name: str(place) for name, place in spaces.items()},
            )
        )
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        words = f"{answer['files']} files, {answer['bytes']} bytes in {answer['seconds']} s"
        return [f"Restored into {answer['data_directory']}: {words}.", *answer["notes"]]
