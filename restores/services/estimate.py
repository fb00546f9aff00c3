"""How long a restore will take, by what was measured; where nothing was, it says that it is a guess."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F

from catalog.models import Instance, Verification
from catalog.states import VerificationLevel
from restores.models import RestoreRequest, RestoreStep, RollbackPoint
from restores.services.restore_account import restore_settings
from restores.states import RollbackKind, StepState

GUESSED_CLONE, GUESSED_LOAD = 50e6, 10e6
"""Bytes a second where nothing was measured: what a slow disk does."""
_RECENT = 20
_FIXED = {"swap": 15.0, "stop_server": 30.0, "start_server": 60.0, "exchange": 5.0, "drop_clone": 5.0}


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second. `because` says where they come from."""

    clone: float
    load: float
    measured: bool
    because: str


def rates(instance: Instance) -> Rates:
    """Medians of the newest restore tests and runs of this instance."""
    cloned, loaded = _cloning(instance), _loading(instance)
    if not cloned:
        return Rates(
            GUESSED_CLONE, _median(loaded) or GUESSED_LOAD, False,
            f"A guess: no restore of {instance.name} was measured yet. Run a restore test to know.",
        )  # fmt: skip
    because = f"Measured by {_counted(len(cloned), 'restore test')} of {instance.name}"
    because += (
        f" and {_counted(len(loaded), 'load')}." if loaded else "; loading a dump was never measured there."
    )
    clone = _median(cloned) or GUESSED_CLONE
    return Rates(clone, _median(loaded) or min(GUESSED_LOAD, clone), bool(loaded), because)


def step_seconds(kind: str, *, size: int, whole: int, found: Rates, watch_seconds: float) -> float:
    """`size`: bytes of the database the step is about; `whole`: of the instance."""
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "watch":
        return watch_seconds
    if kind in ("clone", "restore_files", "fresh_backup", "base_backup"):
        return 5.0 + whole / found.clone
    if kind in ("load", "rescue", "compare", "validate"):
        return 2.0 + size / found.load
    return 5.0


_GUESSED_BACK = {
    RollbackKind.RENAMED_DATABASE: 5.0,
    RollbackKind.TABLE_UNDO: 60.0,
    RollbackKind.KEPT_DIRECTORY: 120.0,
}


def rollback_seconds(kind: RollbackKind, target: Instance) -> tuple[float, str]:
    """How long rolling back will take there, and where that comes from: the slowest one that was measured."""
    points = RollbackPoint.objects.filter(
        kind=kind, run__request__target_instance=target, measured_seconds__isnull=False
    )
    newest = points.order_by("-used_at").values_list("measured_seconds", flat=True)[:_RECENT]
    measured = [seconds for seconds in newest if seconds is not None]
    if measured:
        return max(measured), f"Measured: the slowest of {len(measured)} on {target.name}."
    drain = restore_settings(target).drain_seconds if kind == RollbackKind.RENAMED_DATABASE else 0
    return _GUESSED_BACK[kind] + drain, f"A guess: none was measured on {target.name} yet."


def point_seconds(request: RestoreRequest) -> float | None:
    """Of one rollback point, where the plan says what all of them take, one after another."""
    seconds = request.plan["rollback"]["expected_seconds"]
    return None if seconds is None else float(seconds) / max(1, len(request.databases))


def _cloning(instance: Instance) -> list[float]:
    tests = Verification.objects.filter(
        backup__instance=instance, level=VerificationLevel.RESTORE, passed=True, rto_seconds__gt=0
    ).order_by("-finished_at")[:_RECENT]
    return [
        each.backup.instance.size_bytes / each.rto_seconds
        for each in tests.select_related("backup__instance")
        if each.backup.instance.size_bytes and each.rto_seconds
    ]


def _loading(instance: Instance) -> list[float]:
    steps = (
        RestoreStep.objects.filter(
            run__request__target_instance=instance, kind="load", state=StepState.DONE, bytes_done__gt=0
        )
        .annotate(took=F("ended_at") - F("started_at"))
        .order_by("-ended_at")[:_RECENT]
    )
    return [step.bytes_done / max(0.1, step.took.total_seconds()) for step in steps]


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None
