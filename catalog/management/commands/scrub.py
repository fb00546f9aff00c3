"""`manage.py scrub REPOSITORY [--share 0.1]`: reread a share of what is stored."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import repository_get
from catalog.services.scrub_start import scrub_start
from dataprotect.core.errors import ForeseenError


class Command(JobCommand):
    help = "Reread a share of a repository, what was read longest ago first; everything with --share 1."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="REPOSITORY")
        parser.add_argument("--share", type=float, help="above 0 and up to 1; without it, the regular share")

    def handle(self, *args: Any, **options: Any) -> None:
        """Damage is a failure of the command too, with the objects beside the error."""
        self._failed: ForeseenError | None = None
        super().handle(*args, **options)
        if self._failed is not None:
            self.stderr.write(f"{self._failed.message}\n{self._failed.action}")
            sys.exit(1)

    def answer(self, **options: Any) -> dict[str, Any]:
        repository = repository_get(user=self.actor, name=options["name"])
        found: dict[str, Any] = self.run(
            lambda: scrub_start(actor=self.actor, repository=repository, share=options["share"])
        )
        if found["findings"]:
            self._failed = _damaged(found)
            return {**found, "error": self._failed.as_json()}
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f"DAMAGED  {each['object']}: {each['problem']}" for each in answer["findings"]]
        oldest = answer["oldest_read_at"] or "nothing is stored"
        return [
            *lines,
            f"Reread {answer['objects']} objects, {answer['bytes']} bytes. Read longest ago: {oldest}.",
        ]


def _damaged(found: dict[str, Any]) -> ForeseenError:
    names = ", ".join(each["object"] for each in found["findings"])
    return ForeseenError(
        "repository.damaged",
        f"Rereading the repository {found['repository']} found damage: {names[:300]}.",
        "Take new full backups of what is affected now, and check the repository's disk.",
    )
