"""What was looked at before a restore was called done, or taken back: the checks, with their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from restores.models import RestoreStep, RollbackPoint
from restores.states import RollbackState, StepState

_PROVES = ("clone_check", "load", "validate", "rescue", "system_check", "watch", "logs")


@dataclass(frozen=True, slots=True)
class Proof:
    """`checks`: as `engine.model.Check` has them; empty where the sentence holds the figures."""

    title: str
    sentence: str
    checks: list[dict[str, Any]]


def validated(*, steps: Iterable[RestoreStep], points: Iterable[RollbackPoint]) -> list[Proof]:
    """In the order it was looked at; what was rolled back comes last."""
    done = [step for step in steps if step.kind in _PROVES and step.state == StepState.DONE]
    used = [point for point in points if point.state == RollbackState.USED and point.validation]
    return [_of_step(step) for step in done] + [
        Proof(
            f"After rolling {point.database or 'the server'} back",
            _passed(point.validation),
            point.validation,
        )
        for point in used
    ]


def _of_step(step: RestoreStep) -> Proof:
    checks = list(step.evidence.get("checks", ()))
    if step.kind == "load":
        return Proof(step.title, _counted(step.evidence.get("row_counts", {})), [])
    if not checks:
        return Proof(step.title, step.note, [])
    sentence = f"{step.note} {_passed(checks)}" if step.kind == "rescue" else _passed(checks)
    return Proof(step.title, sentence, checks)


def _counted(rows: dict[str, int]) -> str:
    return f"{sum(rows.values()):,} rows in {len(rows):,} table{'' if len(rows) == 1 else 's'} counted."


def _passed(checks: list[dict[str, Any]]) -> str:
    """`12 checks passed, 1 failed, 2 did not apply.`"""
    found = [check["passed"] for check in checks]
    parts = [f"{found.count(True)} check{'' if found.count(True) == 1 else 's'} passed"]
    parts += [f"{found.count(False)} failed"] if False in found else []
    parts += [f"{found.count(None)} did not apply"] if None in found else []
    return f"{', '.join(parts)}."
