"""Once a minute: what a lost message or a dead worker left undone is set going again, or ended in words."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from dataprotect.ops import lease, queue, states
from dataprotect.ops.models import Job, Worker
from dataprotect.ops.services.audit import audit_record
from dataprotect.ops.services.stop import stop_latch

LOST_AFTER = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(hours=1)
TERMINAL_GONE_AFTER = timedelta(minutes=5)
FORGET_WORKERS_AFTER = timedelta(days=7)


def sweep() -> dict[str, int]:
    """Everything below; counts what it did."""
    stop_latch()
    ended = end_abandoned()
    found = {"ended": ended, "taken_over": take_over(), "sent_again": send_again()}
    Worker.objects.filter(seen_at__lt=lease.database_now() - FORGET_WORKERS_AFTER).delete()
    return found


def end_abandoned() -> int:
    """End the jobs whose owner is gone and which nobody may try again."""
    lease.release_dead()
    now = lease.database_now()
    spent = Q(attempts__gte=F("max_attempts")) | Q(foreground=True) | Q(cancel_requested_at__isnull=False)
    dead = Job.objects.filter(spent, state=states.RUNNING, lease_until__lt=now)
    left = Job.objects.annotate(heard=Coalesce("heartbeat_at", "created_at")).filter(
        state=states.QUEUED, foreground=True, heard__lt=now - TERMINAL_GONE_AFTER
    )
    return sum(_end(job) for job in [*dead, *left])


def end_in_the_way_of(waiting: Job) -> int:
    """A person at a terminal waits for `waiting`: end the dead job that holds its key, which no worker may
    ever take over (there may be none). Conditional like every end: a worker that was quicker keeps it.
    """
    if not waiting.exclusive:
        return 0
    now = lease.database_now()
    holders = Job.objects.filter(exclusive=waiting.exclusive, state=states.RUNNING, lease_until__lt=now)
    return sum(_end(job) for job in holders.exclude(pk=waiting.pk))


def take_over() -> int:
    """Send expired jobs to another worker; the claim itself decides who gets them."""
    now = lease.database_now()
    expired = Job.objects.filter(state=states.RUNNING, lease_until__lt=now, attempts__lt=F("max_attempts"))
    return _send(expired.filter(foreground=False), now)


def send_again() -> int:
    """Send queued jobs again whose message must be lost by now; those waiting for their key are not lost."""
    now = lease.database_now()
    busy = Job.objects.filter(state=states.RUNNING).exclude(exclusive="").values("exclusive")
    queued = Job.objects.filter(state=states.QUEUED, foreground=False, created_at__lt=now - LOST_AFTER)
    return _send(queued.exclude(exclusive__in=busy), now)


def _send(jobs: QuerySet[Job], now: datetime) -> int:
    due = [job for job in jobs.order_by("created_at") if _is_due(job, now)]
    for job in due:
        queue.dispatch(job.pk, job.cluster)
    return len(due)


def _is_due(job: Job, now: datetime) -> bool:
    """The pause doubles with every message, so that a long queue does not fill with copies.

    A lease that ran out after the last message is news, and is sent at once.
    """
    if job.dispatched_at is None:
        return True
    if job.state == states.RUNNING and job.lease_until is not None:
        return job.dispatched_at <= job.lease_until or now - job.dispatched_at >= LOST_AFTER
    pause: timedelta = min(LONGEST_PAUSE, LOST_AFTER * 2 ** min(job.dispatches, 10) / 2)
    return now - job.dispatched_at >= pause


@transaction.atomic
def _end(job: Job) -> bool:
    """One conditional UPDATE: whoever claimed it meanwhile keeps it."""
    cancelled = job.cancel_requested_at is not None
    state = states.CANCELLED if cancelled else states.FAILED
    states.require(job.state, state)
    code = "job.cancelled" if cancelled else "job.worker_lost"
    message = (
        f"The work was cancelled by {job.cancel_requested_by}."
        if cancelled
        else f"The process that ran this job died (attempt {job.attempts} of {job.max_attempts})."
    )
    same = Job.objects.filter(pk=job.pk, state=job.state, fencing=job.fencing)
    if job.state == states.RUNNING:
        same = same.filter(lease_until__lt=lease.database_now())
    if not same.update(
        state=state, error_code=code, error_message=message, lease_owner="", lease_until=None,
        error_action="Start it again; what it left behind is swept by the next run.",
        finished_at=lease.database_now(),
    ):  # fmt: skip
        return False
    audit_record(actor="system", verb=f"job.{state}", subject=job, data={"code": code})
    queue.wake_next(job)
    return True
