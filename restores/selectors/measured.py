"""What was measured before, by kind of step: earlier restores of an instance, and its restore tests."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import Q

from catalog.models import Verification
from catalog.states import VerificationLevel
from restores.models import RestoreRequest, RestoreSettings, RestoreStep
from restores.spans import Measured
from restores.states import StepState, TableMode

RECENT = 20
"""So many of the newest measurements of a kind of step count."""
_OF_SOURCE = ("clone", "clone_check", "drop_clone", "deliver")
"""Measured by whatever is restored from the instance; all else on the server that is changed."""
_BY_TABLES = ("compare", "rescue")
"""How long these take hangs on the tables: those of other tables tell nothing."""
_WHOLE, _DATABASE = ("clone", "clone_check", "restore_files"), ("load", "validate")
"""What grows with the bytes of the server, or of one database."""


def size_of(request: RestoreRequest, row: RestoreStep) -> int:
    """Bytes that its time grows with; 0 where it does not, or where they are not known."""
    if row.kind in _WHOLE:
        return int(request.instance.size_bytes or 0)
    if row.kind in _DATABASE:
        sizes = {each["name"]: each["bytes"] for each in request.plan.get("databases", ())}
        return int(sizes.get(row.database) or 0)
    return 0


def measured_before(request: RestoreRequest) -> dict[str, list[Measured]]:
    """By kind of step, the newest first: restores of this instance, and its restore tests. What was skipped
    took its time too; a step that two workers shared measures how long the first one was dead.
    """
    of_source = Q(kind__in=_OF_SOURCE, run__request__instance=request.instance_id)
    of_target = Q(run__request__target_instance=request.target_instance_id) & ~Q(kind__in=_OF_SOURCE)
    same = Q(run__request__tables=request.tables, run__request__table_mode=request.table_mode)
    rows = (
        RestoreStep.objects.filter(of_source | (of_target & (same | ~Q(kind__in=_BY_TABLES))))
        .filter(
            state__in=(StepState.DONE, StepState.SKIPPED),
            attempts__lte=1,
            started_at__isnull=False,
            ended_at__isnull=False,
        )
        .order_by("-ended_at")
        .only("kind", "started_at", "ended_at", "bytes_done")
    )
    found: dict[str, list[Measured]] = defaultdict(list)
    for row in rows[: RECENT * 20]:
        found[row.kind].append(Measured(row.seconds or 0.0, row.bytes_done))
    for tested in _restore_tests(request):
        for kind, one in tested.items():
            found[kind].append(one)
    return {kind: each[:RECENT] for kind, each in found.items()}


def _restore_tests(request: RestoreRequest) -> list[dict[str, Measured]]:
    """A restore test is a clone that is brought up and compared."""
    size = int(request.instance.size_bytes or 0)
    timings = (
        Verification.objects.filter(
            backup__instance=request.instance_id, level=VerificationLevel.RESTORE, passed=True
        )
        .order_by("-finished_at")
        .values_list("timings", flat=True)[:RECENT]
    )
    return [
        {
            "clone": Measured(each["fetch"] + each.get("recovery", 0.0), size),
            "clone_check": Measured(each["compare"], size),
        }
        for each in timings
        if "fetch" in each and "compare" in each
    ]


def watch_seconds(request: RestoreRequest) -> float:
    """As it is set: a watch takes what it is told to. Where no live table is touched nothing is watched."""
    if request.table_mode == TableMode.BESIDE:
        return 0.0
    row = RestoreSettings.objects.filter(instance=request.target_instance_id).first()
    return float((row or RestoreSettings()).watch_seconds)
