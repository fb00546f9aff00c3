"""What django-q starts by the clock for the catalog."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

RUN_SCHEDULE = "catalog.tasks.run_schedule"
EVALUATE = "catalog.tasks.evaluate_alerts"
SAMPLE = "catalog.tasks.sample_usage"
PROBE = "catalog.tasks.start_probes"
SCRUB = "catalog.tasks.start_scrubs"
_EVERY = {
    RUN_SCHEDULE: ("Policies: start what is due", 1),
    EVALUATE: ("Alerts: hold every rule against the facts", 1),
    PROBE: ("Instances: look at those not looked at for long", 5),
    SAMPLE: ("Repositories: how full they are", 60),
    SCRUB: ("Repositories: reread a share", 6 * 60),
}


def ensure_schedules(**kwargs: Any) -> None:
    """Run after every migrate; changes nothing when they are there already."""
    for func, (name, minutes) in _EVERY.items():
        Schedule.objects.get_or_create(
            func=func,
            defaults={"name": name, "schedule_type": Schedule.MINUTES, "minutes": minutes, "repeats": -1},
        )
