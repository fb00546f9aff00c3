"""The 30-day strip: one word per day and instance.

    ok      a good backup ended that day, and in time
    late    a good backup ended that day, but longer after the one before than the instance may go without
    failed  attempts, none of which ended in a good backup
    missed  a whole day without an attempt, while one was due
    none    nothing was due: before the first backup, or the day is not over

An instance may go without a good backup for its RPO target or a day, whichever is longer, and a tenth more:
a nightly backup that takes ten minutes longer than the one before is not late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from django.db.models import Q

from catalog.models import Backup, Expiry, Instance
from catalog.states import GOOD_BACKUP, LEAVING_BACKUP
from dataprotect.ops.models import Job

DAYS = 30
BACKUP_TASK = "catalog.tasks.run_backup"
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class StripDay:
    day: date
    state: str
    """ok, late, failed, missed or none"""
    good: int
    """Good backups that ended that day (UTC)."""
    failed: int
    """Attempts that failed that day."""


def longest_gap(rpo_seconds: int) -> timedelta:
    """How long an instance may go without a good backup before the strip calls it late."""
    return timedelta(seconds=max(rpo_seconds, _DAY_SECONDS) * 1.1)


def strip(
    *,
    good: Sequence[datetime],
    failed: Iterable[datetime],
    created_at: datetime,
    rpo_seconds: int,
    now: datetime,
    days: int = DAYS,
) -> tuple[StripDay, ...]:
    """Pure: the last `days` days, oldest first. `good` is ascending and begins before the strip does."""
    gap = longest_gap(rpo_seconds)
    good_by_day, failed_by_day = _by_day(good), _by_day(failed)
    late_days = {after.date() for before, after in pairwise(good) if after - before > gap}
    today = now.astimezone(UTC).date()
    result = []
    for number in range(days - 1, -1, -1):
        day = today - timedelta(days=number)
        done, tried = good_by_day.get(day, 0), failed_by_day.get(day, 0)
        due = day < today and _was_due(day, good, created_at, gap)
        result.append(StripDay(day, _word(done, tried, due=due, late=day in late_days), done, tried))
    return tuple(result)


def _word(done: int, tried: int, *, due: bool, late: bool) -> str:
    if done:
        return "late" if late else "ok"
    if tried:
        return "failed"
    return "missed" if due else "none"


def _was_due(day: date, good: Sequence[datetime], created_at: datetime, gap: timedelta) -> bool:
    """At the end of `day`, had the instance gone too long without a good backup?"""
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    before = [instant for instant in good if instant < end]
    return end - (before[-1] if before else created_at) > gap


def _by_day(instants: Iterable[datetime]) -> dict[date, int]:
    counts: dict[date, int] = {}
    for instant in instants:
        day = instant.astimezone(UTC).date()
        counts[day] = counts.get(day, 0) + 1
    return counts


def strips(
    *, instances: Sequence[Instance], now: datetime, days: int = DAYS
) -> Mapping[int, tuple[StripDay, ...]]:
    """The strips of a page of instances, by primary key, in two queries. Needs `tier` selected."""
    since = now - timedelta(days=2 * days)
    keys = [instance.pk for instance in instances]
    good = _grouped(
        Backup.objects.filter(_was_good(keys, since), instance__in=keys, stopped_at__gte=since)
        .order_by("stopped_at")
        .values_list("instance_id", "stopped_at")
    )
    subjects = {instance.subject: instance.pk for instance in instances}
    failed = _grouped(
        (subjects[subject], at)
        for subject, at in Job.objects.filter(
            subject__in=list(subjects),
            task=BACKUP_TASK,
            state__in=("failed", "errored"),
            created_at__gte=since,
        ).values_list("subject", "created_at")
    )
    return {
        instance.pk: strip(
            good=good.get(instance.pk, []),
            failed=failed.get(instance.pk, []),
            created_at=instance.created_at,
            rpo_seconds=instance.tier.rpo_seconds,
            now=now,
            days=days,
        )
        for instance in instances
    }


def _was_good(keys: Sequence[int], since: datetime) -> Q:
    """Good, or good until retention let it go: that it has gone since makes its day no bad one."""
    ended = Expiry.objects.filter(
        backup__instance__in=keys, backup__stopped_at__gte=since, previous_state__in=GOOD_BACKUP
    )
    return Q(state__in=GOOD_BACKUP) | Q(state__in=LEAVING_BACKUP, pk__in=ended.values("backup"))


def _grouped(pairs: Iterable[tuple[int, datetime]]) -> dict[int, list[datetime]]:
    groups: dict[int, list[datetime]] = {}
    for key, instant in pairs:
        groups.setdefault(key, []).append(instant)
    return groups
