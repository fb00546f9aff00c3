"""`manage.py verify_audit`: prove the audit chain, or name its first broken link."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandParser

from dataprotect.core.errors import ForeseenError
from dataprotect.ops.management.answering import AnsweringCommand
from dataprotect.ops.services.audit_judge import audit_judge
from dataprotect.ops.services.audit_proof import Proof, audit_prove, parse_anchor


class Command(AnsweringCommand):
    help = "Prove the whole audit chain. Keep the printed anchor outside and give it to a later run."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--anchor", action="append", default=[], metavar="SEQUENCE:HASH",
            help="an anchor an earlier run printed; the chain must still contain it",
        )  # fmt: skip

    def answer(self, **options: Any) -> dict[str, Any]:
        began = time.monotonic()
        proof = audit_prove(anchors=tuple(parse_anchor(text) for text in options["anchor"]))
        if not options["anchor"]:
            audit_judge(proof)
        if not proof.passed:
            raise _broken(proof)
        return {
            "passed": True,
            "events": proof.events,
            "anchor": f"{proof.head_sequence}:{proof.head_hash}" if proof.events else "",
            "seconds": round(time.monotonic() - began, 3),
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        words = f"The audit chain is whole: {answer['events']} events in {answer['seconds']} s."
        return [words, f"Anchor: {answer['anchor']}"] if answer["anchor"] else [words]


def _broken(proof: Proof) -> ForeseenError:
    return ForeseenError(
        "audit.broken",
        f"The audit chain is broken at event {proof.broken_at}: {proof.reason}.",
        "Keep this database as it is, and compare it with a copy from before; docs/operations.md says how.",
    )
