"""`manage.py delete_backup BACKUP_ID`: ask that a backup be deleted before its time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.asking import asked, asked_in_words
from catalog.management.foreground import CatalogCommand
from catalog.selectors import backup_get
from catalog.services import backup_delete_request
from dataprotect.core import validation


class Command(CatalogCommand):
    help = "Ask that a backup be deleted; it is marked when the request is approved in the dashboard."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("backup_id", metavar="BACKUP_ID")
        parser.add_argument("--reason", required=True, metavar="WORDS")

    def answer(self, **options: Any) -> dict[str, Any]:
        backup = backup_get(user=self.actor, backup_id=validation.backup_id(options["backup_id"]))
        return asked(backup_delete_request(actor=self.actor, backup=backup, reason=options["reason"]))

    def told(self, answer: dict[str, Any]) -> list[str]:
        return asked_in_words(answer)
