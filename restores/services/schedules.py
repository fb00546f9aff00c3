"""What django-q starts by the clock for clones."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

SWEEP = "restores.tasks.sweep_clones"


def ensure_schedules(**kwargs: Any) -> None:
    """Sweeping every ten minutes; run after every migrate, changes nothing when it is there already."""
    Schedule.objects.get_or_create(
        func=SWEEP,
        defaults={
            "name": "Sweep: expired and lost clones",
            "schedule_type": Schedule.MINUTES,
            "minutes": 10,
            "repeats": -1,
        },
    )
