"""`manage.py drop_clone CLONE_ID`: end a clone and delete its files."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from restores.selectors import clone_get
from restores.services import clone_drop_start


class Command(JobCommand):
    help = "End a clone and delete its files."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("clone_id", metavar="CLONE_ID")

    def answer(self, **options: Any) -> dict[str, Any]:
        clone = clone_get(user=self.actor, clone_id=options["clone_id"])
        found: dict[str, Any] = self.run(lambda: clone_drop_start(actor=self.actor, clone=clone))
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"The clone {answer['clone_id']} is gone."]
