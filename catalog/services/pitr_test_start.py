"""Asking for the test of a random instant: every one must be restorable, so any may be asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from catalog.models import Instance
from catalog.selectors.facts import PITR_TASK
from catalog.selectors.recovery import recovery_timeline
from catalog.services.access import Actor, require
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.recovery_target import as_plain
from dataprotect.engine.timeline_model import Target
from dataprotect.ops import queue
from dataprotect.ops.models import Job

Window = tuple[datetime, datetime]


TASK = PITR_TASK


def pitr_test_start(*, actor: Actor, instance: Instance) -> Job:
    """Raises `access.denied`, `pitr_test.no_window`."""
    require(actor=actor, permission="catalog.verify_instance", instance=instance)
    found = recovery_timeline(instance=instance).found.windows
    windows = [(each.start_at, each.end_at) for each in found if each.end_at > each.start_at]
    if not windows:
        raise ForeseenError(
            "pitr_test.no_window",
            f"{instance.name} has no window of recovery in which an instant could be chosen.",
            "Stream its log and take a backup; the next test finds the window.",
        )
    at = random_instant(windows)
    return queue.enqueue(
        TASK,
        arguments={"instance_id": instance.pk, "target": as_plain(Target("time", at=at))},
        actor=actor,
        subject=instance.subject,
        title=f"Restore test of {instance.name} at {clock.iso(at)}",
        exclusive=f"pitr_test:{instance.pk}",
    )


def instant_within(windows: Sequence[Window], fraction: float) -> datetime:
    """The instant at `fraction` (0 to below 1) of all windows laid end to end; every second is as likely."""
    total = sum((end - start for start, end in windows), timedelta())
    left = total * fraction
    for start, end in windows:
        if left < end - start:
            return start + left
        left -= end - start
    return windows[-1][1]


def random_instant(windows: Sequence[Window]) -> datetime:
    """From the system's own source of randomness: nobody can prepare for the instant."""
    return instant_within(windows, random.SystemRandom().random())
