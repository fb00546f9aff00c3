"""Cancelling a job, by somebody who may."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser

from catalog.selectors import may
from catalog.services.access import Actor
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import Job
from dataprotect.ops.services import jobs


def job_cancel(*, actor: Actor, job: Job) -> Job:
    """One's own jobs, or any with the right `ops.cancel_job`. Raises `access.denied`, `job.finished`."""
    own = isinstance(actor, AbstractUser) and actor.is_active and job.actor == actor.get_username()
    if not own and not may(user=actor, permission="ops.cancel_job"):
        raise ForeseenError(
            "access.denied",
            "You may not cancel the job of somebody else.",
            "Ask its owner, an operator or a DBA Lead.",
        )
    return jobs.job_cancel(job_id=job.pk, actor=actor)
