"""What the rules judge about repositories, workers and the queue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max, Min, Q
from django.db.models.functions import Coalesce

from catalog.models import Backup, LogScrub, Repository, RepositoryUsage
from catalog.rules.facts import RepositoryFacts, UsageSample, WorkFacts
from catalog.states import LEAVING_BACKUP, BackupState, RepositoryState
from dataprotect.ops import states, stop
from dataprotect.ops.models import Job, Worker
from dataprotect.ops.selectors import WORKER_LIVES_WITHIN

HISTORY = timedelta(days=30)
UNREAD_STATES = LEAVING_BACKUP | {BackupState.MISSING}


def repository_facts(now: datetime) -> Iterator[RepositoryFacts]:
    """Three queries for all of them."""
    history: dict[int, list[UsageSample]] = {}
    samples = RepositoryUsage.objects.filter(at__gte=now - HISTORY).order_by("at")
    for key, at, stored, free in samples.values_list("repository_id", "at", "stored_bytes", "free_bytes"):
        history.setdefault(key, []).append(UsageSample(at, stored, free))
    oldest = oldest_read()
    for row in Repository.objects.order_by("pk"):
        yield RepositoryFacts(
            key=row.pk,
            name=row.name,
            unreachable=row.state == RepositoryState.UNREACHABLE,
            problem=row.problem,
            free_bytes=row.free_bytes,
            stored_bytes=row.stored_bytes,
            history=tuple(history.get(row.pk, ())),
            oldest_read_at=oldest.get(row.pk),
        )


def oldest_read() -> dict[int, datetime]:
    """By repository: no stored object was read longer ago than this. A backup was read when it was made."""
    rows = (
        Backup.objects.exclude(state__in=UNREAD_STATES)
        .order_by()
        .values("repository_id")
        .annotate(oldest=Min(Coalesce("scrub__last_read_at", "stopped_at")))
    )
    found = dict(rows.values_list("repository_id", "oldest"))
    logs = LogScrub.objects.order_by().values("repository_id")
    read = logs.annotate(oldest=Min(Coalesce("last_read_at", "created_at")))
    for key, at in read.values_list("repository_id", "oldest"):
        found[key] = min(at, found.get(key, at))
    return found


def work_facts(now: datetime, key_problem: str) -> WorkFacts:
    """Four queries."""
    waiting = Job.objects.filter(state=states.QUEUED, foreground=False)
    busy = Job.objects.filter(state=states.RUNNING).exclude(exclusive="").values("exclusive")
    free = waiting.filter(Q(exclusive="") | ~Q(exclusive__in=busy)).order_by("created_at")
    since = list(free.values_list("created_at", flat=True))
    return WorkFacts(
        stop_reason=stop.stop_reason(),
        key_problem=key_problem,
        silent_workers=_silent(now),
        swept_at=Worker.objects.aggregate(last=Max("swept_at"))["last"],
        waiting_since=since[0] if since else None,
        waiting=len(since),
    )


def _silent(now: datetime) -> tuple[tuple[str, datetime], ...]:
    """Machines that hold a job they do not beat for, and whose processes none answer.

    A process alone says nothing: each is replaced after some jobs as a matter of course, and an idle one
    signs in only when it happens to sweep.
    """
    seen = dict(Worker.objects.order_by().values_list("host").annotate(Max("seen_at")))
    with_a_job = set(
        Job.objects.filter(state=states.RUNNING, lease_until__lt=now - WORKER_LIVES_WITHIN, foreground=False)
        .exclude(lease_owner="")
        .values_list("lease_owner", flat=True)
    )
    hosts = {owner.partition("/")[0] for owner in with_a_job}
    silent = [(host, at) for host, at in seen.items() if host in hosts and now - at > WORKER_LIVES_WITHIN]
    return tuple(sorted(silent))
