"""`manage.py sweep`: what the workers' clock does every minute, now."""

from __future__ import annotations

from typing import Any

from dataprotect.ops import sweeper
from dataprotect.ops.management.answering import AnsweringCommand


class Command(AnsweringCommand):
    help = "Send lost jobs again, take over expired leases, and end what nobody may try again."

    def answer(self, **options: Any) -> dict[str, Any]:
        return dict(sweeper.sweep())

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            "Ended {ended}, handed to another worker {taken_over}, sent again {sent_again}.".format(**answer)
        ]
