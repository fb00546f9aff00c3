"""`manage.py restore_start RESTORE_ID`: run what was approved, here, in the foreground."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from restores.management.restores import plain
from restores.selectors.requests import request_get
from restores.services.request_start import restore_start


class Command(JobCommand):
    help = "Start an approved restore and wait for its end. Ctrl-C stops it at its next safe point."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("restore_id")

    def answer(self, **options: Any) -> dict[str, Any]:
        row = request_get(user=self.actor, restore_id=options["restore_id"])
        self.run(lambda: restore_start(actor=self.actor, request=row))
        row.refresh_from_db()
        return plain(row)

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [answer["message"] or answer["ended_reason"]]
