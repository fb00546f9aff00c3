"""The few things django-q starts by the clock for ops itself, once a minute each."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

SWEEP = "dataprotect.ops.tasks.sweep"
TEND_ALERTS = "dataprotect.ops.tasks.tend_alerts"
_NAMES = {
    SWEEP: "Sweep: lost messages and expired leases",
    TEND_ALERTS: "Alerts: wake, repeat, send",
}


def ensure_schedules(**kwargs: Any) -> None:
    """Run after every migrate; changes nothing when they are there already."""
    for func, name in _NAMES.items():
        Schedule.objects.get_or_create(
            func=func,
            defaults={"name": name, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
        )
