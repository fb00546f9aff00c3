"""`manage.py hold_lift HOLD`: ask that a hold be lifted. Two persons who sign in by name must approve."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.asking import asked, asked_in_words
from catalog.management.foreground import CatalogCommand
from catalog.selectors import hold_get
from catalog.services import hold_lift_request


class Command(CatalogCommand):
    help = "Ask that a legal hold be lifted; it is lifted when the request is approved in the dashboard."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("hold", metavar="HOLD", type=int, help="its number")
        parser.add_argument("--reason", required=True, metavar="WORDS")

    def answer(self, **options: Any) -> dict[str, Any]:
        hold = hold_get(user=self.actor, pk=options["hold"])
        return asked(hold_lift_request(actor=self.actor, hold=hold, reason=options["reason"]))

    def told(self, answer: dict[str, Any]) -> list[str]:
        return asked_in_words(answer)
