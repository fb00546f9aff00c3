"""`manage.py verify BACKUP_ID --level …`: prove a backup."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import backup_get
from catalog.services import verification_start
from catalog.states import VerificationLevel
from dataprotect.core import validation
from dataprotect.core.errors import ForeseenError

_MARKS = {True: "ok", False: "FAILED", None: "not applicable"}


class Command(JobCommand):
    help = "Verify a backup: its bytes, its contents, or a restored clone compared with the source."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("backup_id", metavar="BACKUP_ID")
        parser.add_argument("--level", required=True, choices=VerificationLevel.values)

    def handle(self, *args: Any, **options: Any) -> None:
        """A backup that fails is a failure of the command too, with its checks beside the error."""
        self._failed: ForeseenError | None = None
        super().handle(*args, **options)
        if self._failed is not None:
            self.stderr.write(f"{self._failed.message}\n{self._failed.action}")
            sys.exit(1)

    def answer(self, **options: Any) -> dict[str, Any]:
        backup = backup_get(user=self.actor, backup_id=validation.backup_id(options["backup_id"]))
        result = self.run(lambda: verification_start(actor=self.actor, backup=backup, level=options["level"]))
        answer = {name: result[name] for name in ("passed", "checks", "seconds", "rto_seconds")}
        if not result["passed"]:
            self._failed = _failure(backup.backup_id, result)
            answer["error"] = self._failed.as_json()
        return answer

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [
            f"{_MARKS[check['passed']]:>14}  {check['name']}"
            + ("" if check["passed"] else f": expected {check['expected']}, found {check['found']}")
            for check in answer["checks"]
        ]
        words = "passed" if answer["passed"] else "failed"
        return [*lines, f"The verification {words} after {answer['seconds']} s."]


def _failure(backup_id: str, result: dict[str, Any]) -> ForeseenError:
    bad = [check["name"] for check in result["checks"] if check["passed"] is False]
    return ForeseenError(
        "backup.damaged",
        f"The backup {backup_id} did not pass: {', '.join(bad)[:300]}.",
        "Take a new backup now, keep this one for the investigation, and check the repository's disk.",
    )
