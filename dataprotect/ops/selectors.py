"""Reading what `ops` keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from dataprotect.core import clock
from dataprotect.ops import states, stop
from dataprotect.ops.models import AuditEvent, Job, JobLogLine, ProfileChoice, Worker
from dataprotect.ops.operating_profile import OperatingProfile, strictest

SWEEP_EXPECTED_WITHIN = timedelta(minutes=3)
WORKER_LIVES_WITHIN = timedelta(minutes=5)
LOOSENING_WAITS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """Whether anybody works. `alive` rests on the sweeper, which comes through the queue every minute."""

    alive: bool
    last_sweep: datetime | None
    workers: int
    running: int
    queued: int
    oldest_queued: datetime | None
    stop_reason: str | None


def jobs(*, state: str = "", subject: str = "", actor: str = "") -> QuerySet[Job]:
    """Newest first; empty filters do not filter."""
    wanted = {"state": state, "subject": subject, "actor": actor}
    return Job.objects.filter(**{name: value for name, value in wanted.items() if value})


def job_log(job_id: UUID, after: int = 0) -> QuerySet[JobLogLine]:
    """The lines after the one with id `after`, in order."""
    return JobLogLine.objects.filter(job_id=job_id, id__gt=after).order_by("id")


def active_jobs_of(subject: str) -> QuerySet[Job]:
    return Job.objects.filter(subject=subject, state__in=states.ACTIVE)


def audit_events(*, subject_type: str = "", subject_id: str = "", actor: str = "") -> QuerySet[AuditEvent]:
    """Newest first; empty filters do not filter."""
    wanted = {"subject_type": subject_type, "subject_id": subject_id, "actor": actor}
    return AuditEvent.objects.filter(**{name: value for name, value in wanted.items() if value})


def live_workers() -> QuerySet[Worker]:
    return Worker.objects.filter(seen_at__gte=clock.now() - WORKER_LIVES_WITHIN).select_related("job")


def queue_health() -> QueueHealth:
    now = clock.now()
    last = (
        Worker.objects.exclude(swept_at=None).order_by("-swept_at").values_list("swept_at", flat=True).first()
    )
    queued = Job.objects.filter(state=states.QUEUED).order_by("created_at")
    return QueueHealth(
        alive=last is not None and now - last <= SWEEP_EXPECTED_WITHIN,
        last_sweep=last,
        workers=live_workers().count(),
        running=Job.objects.filter(state=states.RUNNING).count(),
        queued=queued.count(),
        oldest_queued=queued.values_list("created_at", flat=True).first(),
        stop_reason=stop.stop_reason(),
    )


def operating_profile(*, at: datetime | None = None) -> OperatingProfile:
    """The profile that stands: production until one is chosen, then the strictest of the last 24 hours.

    So the first choice and every tightening stand at once, and a loosening waits until others have seen it.
    """
    now = at or clock.now()
    choices = list(ProfileChoice.objects.filter(chosen_at__lte=now).order_by("-chosen_at", "-pk"))
    recent = [choice for choice in choices if choice.chosen_at > now - LOOSENING_WAITS]
    standing = [*recent, *choices[len(recent) : len(recent) + 1]]
    return strictest(OperatingProfile(choice.profile) for choice in standing)


def profile_chosen() -> ProfileChoice | None:
    """The newest answer, which may not stand yet; None while nobody was asked."""
    return ProfileChoice.objects.order_by("-chosen_at", "-pk").first()
