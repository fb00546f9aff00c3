"""What django-q starts by the clock for clones and restores."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

SWEEP = "restores.tasks.sweep_clones"
TEND = "restores.tasks.tend_restores"
DIGEST = "restores.tasks.digest_decisions"


def ensure_schedules(**kwargs: Any) -> None:
    """Sweeping every ten minutes, tending every minute, a digest in the first hour of each week.

    Run after every migrate, safe to repeat.
    """
    Schedule.objects.get_or_create(
        func=SWEEP,
        defaults={
            "name": "Sweep: expired and lost clones",
            "schedule_type": Schedule.MINUTES,
            "minutes": 10,
            "repeats": -1,
        },
    )
    Schedule.objects.get_or_create(
        func=TEND,
        defaults={
            "name": "Tend: restores that lapse, reviews, what was kept",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "repeats": -1,
        },
    )
    Schedule.objects.get_or_create(
        func=DIGEST,
        defaults={
            "name": "Digest: what approvers decided in the week before",
            "schedule_type": Schedule.HOURLY,
            "repeats": -1,
        },
    )
