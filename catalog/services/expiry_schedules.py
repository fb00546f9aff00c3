"""What django-q starts by the clock for expiry."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

HOURLY = "catalog.tasks.expire_all"


def ensure_schedules(**kwargs: Any) -> None:
    """Every hour: tombstones fall due at any time. Run after every migrate; a second time changes nothing."""
    Schedule.objects.get_or_create(
        func=HOURLY,
        defaults={
            "name": "Expiry: what is no longer kept",
            "schedule_type": Schedule.HOURLY,
            "repeats": -1,
        },
    )
