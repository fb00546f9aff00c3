"""What people do to jobs."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue, states
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import Actor, actor_name, audit_record


@transaction.atomic
def job_cancel(*, job_id: UUID, actor: Actor) -> Job:
    """A queued job is cancelled at once; a running one is asked to end at its next safe point.

    Raises ForeseenError `job.finished` when there is nothing left to cancel. Asking twice is asking once.
    """
    now, name = clock.now(), actor_name(actor)
    asked = {"cancel_requested_at": now, "cancel_requested_by": name}
    row = Job.objects.filter(pk=job_id)
    if row.filter(state=states.QUEUED).update(
        **asked, state=states.CANCELLED, finished_at=now, error_code="job.cancelled",
        error_message=f"The work was cancelled by {name} before it began.",
        error_action="Start it again when you are ready.",
    ):  # fmt: skip
        job = Job.objects.get(pk=job_id)
        audit_record(actor=actor, verb="job.cancelled", subject=job, data={"before": "start"})
        queue.wake_next(job)
        return job
    if row.filter(state=states.RUNNING, cancel_requested_at=None).update(**asked):
        job = Job.objects.get(pk=job_id)
        audit_record(actor=actor, verb="job.cancel_requested", subject=job)
        return job
    return _nothing_to_cancel(job_id)


def _nothing_to_cancel(job_id: UUID) -> Job:
    job = Job.objects.filter(pk=job_id).first()
    if job is not None and not job.is_terminal:
        return job
    state = "gone" if job is None else job.state
    raise ForeseenError("job.finished", f"The job is {state} already.", "Nothing needs to be done.")
