"""Waiting for a job that a worker does, and saying what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import Job
from dataprotect.ops.queue import result_of
from restores.demo.story import Story, amount

PATIENCE_SECONDS = 1800.0
START_SECONDS = 120.0


def follow(job: Job, story: Story, check: Callable[[], None]) -> dict[str, Any]:
    """What the job returned, once a worker has done it. `check` raises when the workers are gone.

    Raises the job's own failure, or `demo.waiting` when nobody starts or ends it in time.
    """
    began, phase = time.monotonic(), ""
    while True:
        job.refresh_from_db()
        if job.is_terminal:
            break
        check()
        _lose_patience(job, time.monotonic() - began)
        phase = _tell(job, story, phase)
        time.sleep(0.25)
    result = result_of(job)
    return dict(result or {})


def cancel_everything() -> None:
    """Ask running jobs to end, and wait a little: a worker that is stopped politely leaves nothing behind."""
    from dataprotect.ops import states
    from dataprotect.ops.services.jobs import job_cancel

    active = Job.objects.filter(state__in=states.ACTIVE)
    for job_id in active.values_list("pk", flat=True):
        _cancel(job_cancel, job_id)
    deadline = time.monotonic() + 20
    while active.exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def _cancel(job_cancel: Callable[..., Job], job_id: UUID) -> None:
    try:
        job_cancel(job_id=job_id, actor="system:demo")
    except ForeseenError:
        return  # it ended by itself meanwhile


def _tell(job: Job, story: Story, last: str) -> str:
    if job.phase and job.phase != last:
        story.say(f"… {job.phase}")
    if job.bytes_total:
        story.progress(f"{amount(job.bytes_done)} of {amount(job.bytes_total)} ({job.percent or 0:.0f} %)")
    return job.phase


def _lose_patience(job: Job, waited: float) -> None:
    started = job.started_at is not None
    if waited > PATIENCE_SECONDS or (not started and waited > START_SECONDS):
        raise ForeseenError(
            "demo.waiting",
            f"“{job.title}” was not {'finished' if started else 'started'} within {waited:.0f} s.",
            "Read logs/workers.log in the home folder.",
        )
