"""`manage.py restore_show RESTORE_ID`: how one restore stands, step by step."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from restores.management.restores import plain
from restores.selectors.requests import request_get


class Command(CatalogCommand):
    help = "Say how a restore stands: its state, who still has to sign, its steps, its message."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("restore_id")

    def answer(self, **options: Any) -> dict[str, Any]:
        return plain(request_get(user=self.actor, restore_id=options["restore_id"]))

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f"{answer['restore_id']} is {answer['state']}. {answer['ended_reason']}".strip()]
        if answer["missing"]:
            lines.append(f"To be signed as {' and '.join(answer['missing'])}.")
        if left := answer["seconds_left"]:
            lines.append(
                f"It ends in {left['low']:.0f} to {left['high']:.0f} s, by what was measured before."
            )
        lines += [f"  {step['state']:8} {step['title']}: {step['note']}" for step in answer["steps"]]
        return lines
