"""The few things django-q starts by the clock for ops itself."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

SWEEP = "dataprotect.ops.tasks.sweep"


def ensure_schedules(**kwargs: Any) -> None:
    """The sweeper, once a minute; run after every migrate, changes nothing when it is there already."""
    Schedule.objects.get_or_create(
        func=SWEEP,
        defaults={
            "name": "Sweep: lost messages and expired leases",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "repeats": -1,
        },
    )
