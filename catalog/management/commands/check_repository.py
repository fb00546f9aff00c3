"""`manage.py check_repository NAME`: is it there, how much room is left, is every backup still in it?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import repository_get
from catalog.services import repository_check_start


class Command(JobCommand):
    help = "Look whether a repository can be used and whether every backup is still in it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")

    def answer(self, **options: Any) -> dict[str, Any]:
        repository = repository_get(user=self.actor, name=options["name"])
        found: dict[str, Any] = self.run(
            lambda: repository_check_start(actor=self.actor, repository=repository)
        )
        return found
