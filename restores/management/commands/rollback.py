"""`manage.py rollback RESTORE_ID --reason …`: put back what a restore changed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from restores.management.restores import plain
from restores.selectors.requests import request_get
from restores.services.rollback_run import rollback_start


class Command(JobCommand):
    help = "Roll a restore back, as long as what it needs is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("restore_id")
        parser.add_argument("--reason", required=True)

    def answer(self, **options: Any) -> dict[str, Any]:
        row = request_get(user=self.actor, restore_id=options["restore_id"])
        done = self.run(lambda: rollback_start(actor=self.actor, request=row, reason=options["reason"]))
        row.refresh_from_db()
        return plain(row) | {"seconds": done["seconds"]}

    def told(self, answer: dict[str, Any]) -> list[str]:
        took = ", ".join(
            f"{name or 'the server'} in {each:.1f} s" for name, each in answer["seconds"].items()
        )
        return [f"{answer['restore_id']} is rolled back: {took}."]
