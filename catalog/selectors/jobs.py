"""Jobs a user may see: those about visible instances, and one's own."""

from __future__ import annotations

import uuid

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from catalog.selectors.visible import Viewer, instances_visible, not_found, sees_every_instance
from dataprotect.ops.models import Job


def job_list(*, user: Viewer) -> QuerySet[Job]:
    """Newest first. A job about an instance carries its subject `instance:<pk>`."""
    if sees_every_instance(user=user):
        return Job.objects.all()
    subjects = (
        instances_visible(user=user)
        .order_by()
        .annotate(job_subject=Concat(Value("instance:"), Cast("pk", CharField()), output_field=CharField()))
        .values("job_subject")
    )
    own = "" if isinstance(user, str) else user.get_username()
    return Job.objects.filter(Q(subject__in=subjects) | Q(actor=own))


def job_get(*, user: Viewer, job_id: str | uuid.UUID) -> Job:
    """Raises ForeseenError `job.not_found`, also for what is no job id at all."""
    try:
        key = uuid.UUID(str(job_id))
    except ValueError:
        raise not_found("job", str(job_id)) from None
    found = job_list(user=user).filter(pk=key).first()
    if found is None:
        raise not_found("job", str(job_id))
    return found
