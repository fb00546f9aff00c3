"""The way work gets started: a row in the caller's transaction, a message once that is committed."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django_q.tasks import async_task

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.ops import states
from dataprotect.ops.lease import database_now
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import Actor, actor_name, audit_record

ENTRY = "dataprotect.ops.tasks.run_job"
_LOOK_AGAIN_SECONDS = 0.5
_foreground: contextvars.ContextVar[bool] = contextvars.ContextVar("foreground", default=False)
log = logging.getLogger(__name__)


def enqueue(
    task: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    actor: Actor,
    subject: str = "",
    title: str = "",
    exclusive: str = "",
    cluster: str = "",
    wait: bool = True,
) -> Job:
    """A new job, queued in the caller's transaction and dispatched when that commits.

    task       dotted name of `def name(context: JobContext, **arguments) -> dict` below JOB_TASK_MODULES
    arguments  plain JSON, never a secret
    subject    what it is about, such as `instance:12`
    exclusive  at most one job with this key runs at a time; the next one waits for its end
    cluster    the site whose workers take it; empty for the default one
    wait       False: raise ForeseenError `job.busy` instead of waiting behind another job with the same key
    """
    kind = task.rpartition(".")[2]
    job = Job(
        task=task, kind=kind, title=title or kind.replace("_", " ").capitalize(),
        arguments=dict(arguments or {}), subject=subject, actor=actor_name(actor), exclusive=exclusive,
        cluster=cluster, foreground=_foreground.get(),
        max_attempts=1 if _foreground.get() else settings.JOB_MAX_ATTEMPTS,
    )  # fmt: skip
    job.full_clean()
    with transaction.atomic():
        data = {"title": job.title, "task": task, "about": subject}
        audit_record(
            actor=actor, verb="job.queued", subject=job, data=data
        )  # its lock also orders the next line
        if not wait:
            refuse_if_busy(exclusive)
        job.save(force_insert=True)
        if not job.foreground:
            transaction.on_commit(functools.partial(dispatch, job.pk, cluster))
    return job


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Jobs enqueued inside are for `run_now` of this process: workers leave them alone; one try only."""
    token = _foreground.set(True)
    try:
        yield
    finally:
        _foreground.reset(token)


def run_now(job: Job, *, listener: Reporter | None = None) -> Job:
    """Run the job here and return it as it ended; when a worker has it already, wait for that worker."""
    from dataprotect.ops import runner, sweeper

    while not runner.execute(job.pk, listener=listener, foreground=True):
        job.refresh_from_db()
        if job.is_terminal:
            break
        Job.objects.filter(pk=job.pk, state=states.QUEUED).update(heartbeat_at=clock.now())
        sweeper.end_abandoned()
        sweeper.end_in_the_way_of(job)
        time.sleep(_LOOK_AGAIN_SECONDS)
    job.refresh_from_db()
    return job


def result_of(job: Job) -> Any:
    """What the task returned. Raises the job's failure as the ForeseenError it was."""
    if job.state == states.SUCCEEDED:
        return job.result
    raise ForeseenError(job.error_code or "job.unfinished", job.error_message, job.error_action)


def dispatch(job_id: UUID, cluster: str = "") -> None:
    """Send the message. A broker that is down costs nothing but time: the sweeper sends it again."""
    try:
        Job.objects.filter(pk=job_id).update(dispatched_at=database_now(), dispatches=F("dispatches") + 1)
        async_task(ENTRY, str(job_id), task_name=f"job-{job_id}", cluster=cluster or None)
    except Exception as error:  # noqa: BLE001  each broker has its own errors, and the commit already happened
        log.warning("job %s could not be dispatched (%s); the sweeper will", job_id, type(error).__name__)


def refuse_if_busy(exclusive: str) -> None:
    """Raises ForeseenError `job.busy` while a job with this key is queued or running."""
    other = Job.objects.filter(exclusive=exclusive, state__in=states.ACTIVE).first() if exclusive else None
    if other is not None:
        raise ForeseenError(
            "job.busy", f"“{other.title}” ({other.short_id}) is {other.state} and must end first.",
            "Wait for it or cancel it, then try again.", retry=True,
        )  # fmt: skip


def wake_next(ended: Job) -> None:
    """The oldest job that waited for the ended one's key gets its message when the end is committed."""
    if not ended.exclusive:
        return
    waiting = Job.objects.filter(Q(exclusive=ended.exclusive), state=states.QUEUED, foreground=False)
    if (following := waiting.order_by("created_at").first()) is not None:
        transaction.on_commit(functools.partial(dispatch, following.pk, following.cluster))
