"""`manage.py emergency_stop raise|lift|show`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from dataprotect.core.errors import InvalidInput
from dataprotect.ops import stop
from dataprotect.ops.management.answering import AnsweringCommand, person
from dataprotect.ops.services.stop import stop_lift, stop_raise


class Command(AnsweringCommand):
    help = "Raise the emergency stop with a reason, lift it with a root cause, or show it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("what", choices=["raise", "lift", "show"])
        parser.add_argument("words", nargs="*", help="the reason (raise) or the root cause (lift)")

    def answer(self, **options: Any) -> dict[str, Any]:
        what, said = options["what"], " ".join(options["words"])
        if what != "show" and not said:
            raise InvalidInput(
                "words", f"Expected {'a reason' if what == 'raise' else 'the root cause'} to {what}."
            )
        if what == "raise":
            stop_raise(actor=person(), reason=said)
        elif what == "lift":
            stop_lift(actor=person(), root_cause=said)
        reason = stop.stop_reason()
        return {"active": reason is not None, "reason": reason or ""}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            f"The emergency stop is active: {answer['reason']}." if answer["active"] else "No stop is active."
        ]
