"""Lists of backups, and everything known about one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet

from catalog.models import Backup, Verification
from catalog.selectors.visible import Viewer, backups_visible, can_exist, not_found
from dataprotect.ops.models import AuditEvent, Job

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BackupDetail:
    backup: Backup
    verifications: list[Verification]
    """Newest first, at most 20."""
    parents: list[Backup]
    dependents: list[Backup]
    jobs: list[Job]
    """The job that took it and those that verified it."""
    changes: list[AuditEvent]

    @property
    def ratio(self) -> float | None:
        """Bytes read per byte stored; None where nothing was stored."""
        stored = self.backup.bytes_stored
        return self.backup.bytes_read / stored if stored else None

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=self.backup.seconds)


def backup_list(*, user: Viewer) -> QuerySet[Backup]:
    """Newest first, with instance and repository. Paginate it: there may be a million."""
    return backups_visible(user=user).select_related("instance", "repository").order_by("-stopped_at", "-pk")


def backup_get(*, user: Viewer, backup_id: str) -> Backup:
    """Raises ForeseenError `backup.not_found`."""
    if not can_exist(backup_id):
        raise not_found("backup", backup_id)
    found = (
        backups_visible(user=user)
        .select_related("instance__tier", "repository", "job")
        .filter(backup_id=backup_id)
        .first()
    )
    if found is None:
        raise not_found("backup", backup_id)
    return found


def backup_detail(*, user: Viewer, backup_id: str) -> BackupDetail:
    """Raises ForeseenError `backup.not_found`."""
    backup = backup_get(user=user, backup_id=backup_id)
    verifications = list(backup.verifications.select_related("job").order_by("-finished_at")[:_SHOWN])
    jobs = {item.job.pk: item.job for item in verifications if item.job is not None}
    if backup.job is not None:
        jobs[backup.job.pk] = backup.job
    return BackupDetail(
        backup=backup,
        verifications=verifications,
        parents=list(backup.parents.order_by("stopped_at")),
        dependents=list(backup.dependents.order_by("-stopped_at")[:_SHOWN]),
        jobs=sorted(jobs.values(), key=lambda job: job.created_at, reverse=True),
        changes=list(
            AuditEvent.objects.filter(subject_type="backup", subject_id=backup.backup_id).order_by(
                "-sequence"
            )[:_SHOWN]
        ),
    )
