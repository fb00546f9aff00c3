"""What the rules judge about the schedule: runs that were due and have not succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from catalog.models import Instance, ScheduledRun
from catalog.rules.facts import DueFacts
from catalog.states import RunKind, RunState

LOOKED_BACK = timedelta(days=31)
_DONE = (RunState.SUCCEEDED, RunState.COVERED)
_WATCHED = (
    RunKind.FULL,
    RunKind.DIFFERENTIAL,
    RunKind.INCREMENTAL,
    RunKind.RESTORE_TEST,
    RunKind.PITR_TEST,
)


def streaming_instances() -> QuerySet[Instance, int]:
    """Keys of the instances whose policy asks for their log."""
    return Instance.objects.filter(policy__stream_logs=True).order_by().values_list("pk", flat=True)


def unmet_audit(now: datetime) -> tuple[datetime, str] | None:
    """When the newest retention audit was due and what is known of it, unless it succeeded."""
    newest = ScheduledRun.objects.filter(kind=RunKind.AUDIT, due_at__lte=now).order_by("-due_at").first()
    return None if newest is None or newest.state in _DONE else (newest.due_at, newest.note)


def unmet_runs(now: datetime) -> Iterator[DueFacts]:
    """The newest run of each kind and instance, unless it or a later one succeeded. One query."""
    later = ScheduledRun.objects.filter(
        instance=OuterRef("instance"), kind=OuterRef("kind"), due_at__gt=OuterRef("due_at")
    )
    unmet = (
        ScheduledRun.objects.exclude(state__in=_DONE)
        .filter(due_at__gte=now - LOOKED_BACK, due_at__lte=now, instance__isnull=False, kind__in=_WATCHED)
        .filter(~Exists(later))
    )
    columns = (
        "instance_id", "instance__name", "kind", "due_at", "policy__late_after_minutes", "missed", "note",
    )  # fmt: skip
    for key, name, kind, due_at, late_after, missed, note in unmet.order_by("pk").values_list(*columns):
        yield DueFacts(
            instance_key=key, instance=name, kind=RunKind(kind).label, due_at=due_at,
            late_after_seconds=60.0 * (late_after or 60), missed=missed, note=note,
        )  # fmt: skip
