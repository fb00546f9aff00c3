"""`manage.py spare_backup BACKUP_ID`: take the tombstone away during the grace time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import backup_get
from catalog.services import backup_spare
from dataprotect.core import validation


class Command(CatalogCommand):
    help = "Keep a backup that is expiring. A hold keeps it for longer than the next run."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("backup_id", metavar="BACKUP_ID")
        parser.add_argument("--reason", required=True, metavar="WORDS")

    def answer(self, **options: Any) -> dict[str, Any]:
        backup = backup_get(user=self.actor, backup_id=validation.backup_id(options["backup_id"]))
        expiry = backup_spare(actor=self.actor, backup=backup, reason=options["reason"])
        return {"backup_id": backup.backup_id, "state": expiry.previous_state}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"The backup {answer['backup_id']} is {answer['state']} again."]
