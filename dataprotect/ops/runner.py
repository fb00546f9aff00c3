"""Doing one job: claim it, run its task under a heart beat, write how it ended."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction

from dataprotect.core.errors import Cancelled, ForeseenError, LeaseLost
from dataprotect.core.progress import Reporter
from dataprotect.core.steps import reached
from dataprotect.ops import outcome, queue, states, stop, workers
from dataprotect.ops.context import Heart, JobContext
from dataprotect.ops.lease import Lease, claim, database_now
from dataprotect.ops.models import Job
from dataprotect.ops.outcome import Outcome
from dataprotect.ops.services.audit import audit_record

Task = Callable[..., object]
_TRIES_TO_WRITE_THE_END = 5
log = logging.getLogger(__name__)


def execute(job_id: UUID, *, listener: Reporter | None = None, foreground: bool = False) -> bool:
    """Run the job if it is free. False when it is not ours to run: taken, finished, waiting its turn, gone.

    Inside a surrounding transaction (a test) nothing beats, because no other connection sees the row; the
    progress is then written at the end.
    """
    lease = claim(job_id, foreground=foreground)
    if lease is None:
        return False
    reached("job.claimed")
    job = Job.objects.get(pk=job_id)
    context = JobContext(job, lease, listener)
    workers.sign_in(job)
    try:
        ended = _beating(context, job)
    except LeaseLost:
        log.warning("job %s: the lease went to another worker; nothing more is written", job_id)
        return True
    except BaseException:
        _interrupted(lease, job)
        raise
    finally:
        workers.sign_in(None)
    _end(lease, ended)
    return True


def resolve(dotted: str) -> Task:
    """The task's function. Raises ForeseenError `job.no_such_task` for anything that is not one."""
    module, _, name = dotted.rpartition(".")
    allowed = any(module == place or module.startswith(place + ".") for place in settings.JOB_TASK_MODULES)
    try:
        task = getattr(importlib.import_module(module), name) if allowed else None
    except (ImportError, AttributeError):
        task = None
    if task is None or not callable(task) or name.startswith("_"):
        raise ForeseenError(
            "job.no_such_task", f"There is no task {dotted[:200]}.",
            "Check that web and workers run the same version of DataProtect.",
        )  # fmt: skip
    return task  # type: ignore[no-any-return]


def _beating(context: JobContext, job: Job) -> Outcome:
    """The task's outcome; its last words are written before this returns."""
    heart = None if connection.in_atomic_block else Heart(context)
    if heart:
        heart.start()
    try:
        return _call(context, job)
    finally:
        if heart:
            heart.stop()
        context.tick()


def _call(context: JobContext, job: Job) -> Outcome:
    try:
        stop.refuse_while_stopped()
        context.checkpoint()
        return outcome.succeeded(resolve(job.task)(context, **job.arguments))
    except LeaseLost:
        raise
    except ForeseenError as error:
        log.info("job %s ended: %s", job.pk, error.code)
        return outcome.foreseen(error)
    except Exception:  # noqa: BLE001  whatever a task raises is this job's end, never the worker's
        return outcome.unforeseen(job.pk, job.task)


def _interrupted(lease: Lease, job: Job) -> None:
    """Ctrl-C, or the worker's own time limit: the row must not say `running` for ever."""
    log.warning("job %s was interrupted", job.pk)
    _end(lease, outcome.foreseen(Cancelled("The work was interrupted at the terminal.")))


def _end(lease: Lease, ended: Outcome) -> None:
    """Write the end, fenced, trying again when the database is busy; else the sweeper finds the job."""
    for attempt in range(_TRIES_TO_WRITE_THE_END):
        try:
            _write_end(lease, ended)
            return
        except DatabaseError:
            if connection.in_atomic_block or attempt == _TRIES_TO_WRITE_THE_END - 1:
                raise
            time.sleep(0.2 * 2**attempt)


@transaction.atomic
def _write_end(lease: Lease, ended: Outcome) -> None:
    states.require(states.RUNNING, ended.state)
    changed = lease.rows().update(
        **ended.columns(), finished_at=database_now(), lease_until=None, lease_owner="", eta_seconds=None
    )
    if not changed:
        log.warning("job %s: the lease went to another worker; its end is not ours to write", lease.job_id)
        return
    job = Job.objects.get(pk=lease.job_id)
    data = {"code": ended.code} if ended.code else {}
    audit_record(actor="system", verb=f"job.{ended.state}", subject=job, data=data)
    queue.wake_next(job)
