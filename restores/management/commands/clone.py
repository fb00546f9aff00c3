"""`manage.py clone BACKUP_ID`: an isolated server brought up from a backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import backup_get
from dataprotect.core import validation
from restores.services import clone_start


class Command(JobCommand):
    help = "Bring up a clone: private socket, no network, archiving off. It stays until it is dropped."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("backup_id", metavar="BACKUP_ID")

    def answer(self, **options: Any) -> dict[str, Any]:
        backup = backup_get(user=self.actor, backup_id=validation.backup_id(options["backup_id"]))
        result = self.run(lambda: clone_start(actor=self.actor, backup=backup))
        return {name: result[name] for name in ("clone_id", "dsn", "data_directory")}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            f'The clone {answer["clone_id"]} is ready: psql "{answer["dsn"]}"',
            f"Drop it with: manage.py drop_clone {answer['clone_id']}",
        ]
