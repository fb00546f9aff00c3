"""`manage.py rebuild_catalog REPOSITORY`: bring the rows back from what a repository says about itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import repository_get
from catalog.services import catalog_rebuild_start


class Command(JobCommand):
    help = "Recreate instances and backups of a registered repository. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("repository", metavar="REPOSITORY", help="its name; see add_repository")

    def answer(self, **options: Any) -> dict[str, Any]:
        repository = repository_get(user=self.actor, name=options["repository"])
        found: dict[str, Any] = self.run(
            lambda: catalog_rebuild_start(actor=self.actor, repository=repository)
        )
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [
            f"Backups: {len(answer['backups'])} brought back, {answer['known']} known already.",
            *(f"The instance {name} is back; it needs its password again." for name in answer["instances"]),
            *(f"Damaged: {words}" for words in answer["damaged"]),
        ]
        return lines
