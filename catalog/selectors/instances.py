"""Lists of instances, and everything known about one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db.models import QuerySet

from catalog.models import (
    Backup,
    Instance,
    InstanceDatabase,
    InstanceGroupPermission,
    InstanceUserPermission,
    Verification,
)
from catalog.selectors.facts import logged_until
from catalog.selectors.plans import schedule_states
from catalog.selectors.rows import InstanceRow, instance_row
from catalog.selectors.strip import strips
from catalog.selectors.visible import Viewer, instance_get, instances_visible, rights
from dataprotect.core import clock
from dataprotect.ops.models import AuditEvent, Job

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Access:
    """Who besides the roles may work on an instance, and what."""

    holder: User | Group
    is_group: bool
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstanceDetail:
    instance: Instance
    row: InstanceRow
    databases: list[InstanceDatabase]
    backups: list[Backup]
    """The newest ten; `backup_count` says how many there are."""
    backup_count: int
    verifications: list[Verification]
    jobs: list[Job]
    running: Job | None
    access: list[Access]
    changes: list[AuditEvent]
    may_change: bool
    may_backup: bool
    may_verify: bool
    may_restore: bool
    may_grant: bool


def instance_list(*, user: Viewer) -> QuerySet[Instance]:
    """By name, with tier, repository, last good backup and RTO evidence."""
    return (
        instances_visible(user=user)
        .select_related("tier", "repository", "last_good_backup", "last_restore_test", "rto_evidence")
        .order_by("name")
    )


def instance_detail(*, user: Viewer, name: str, now: datetime | None = None) -> InstanceDetail:
    """Raises ForeseenError `instance.not_found`."""
    at = now or clock.now()
    instance = instance_get(user=user, name=name)
    held = rights(user=user, instance=instance)
    jobs = list(Job.objects.filter(subject=instance.subject).order_by("-created_at")[:_SHOWN])
    return InstanceDetail(
        instance=instance,
        row=instance_row(
            instance,
            strips(instances=[instance], now=at)[instance.pk],
            at,
            schedule_states([instance], at)[instance.pk],
            logged_until(Instance.objects.filter(pk=instance.pk)).get(instance.pk),
        ),
        databases=list(instance.databases.order_by("-is_present", "name")),
        backups=list(instance.backups.select_related("repository").order_by("-stopped_at")[:_SHOWN]),
        backup_count=instance.backups.count(),
        verifications=list(
            Verification.objects.filter(backup__instance=instance)
            .select_related("backup")
            .order_by("-finished_at")[:_SHOWN]
        ),
        jobs=jobs,
        running=next((job for job in jobs if not job.is_terminal), None),
        access=_access(instance),
        changes=list(
            AuditEvent.objects.filter(subject_type="instance", subject_id=str(instance.pk)).order_by(
                "-sequence"
            )[:_SHOWN]
        ),
        **{
            f"may_{verb}": f"{verb}_instance" in held
            for verb in ("change", "backup", "verify", "restore", "grant")
        },
    )


def _access(instance: Instance) -> list[Access]:
    people: dict[User | Group, list[str]] = {}
    for row in InstanceUserPermission.objects.filter(content_object=instance).select_related(
        "user", "permission"
    ):
        people.setdefault(row.user, []).append(row.permission.codename)
    for line in InstanceGroupPermission.objects.filter(content_object=instance).select_related(
        "group", "permission"
    ):
        people.setdefault(line.group, []).append(line.permission.codename)
    return [
        Access(holder, isinstance(holder, Group), tuple(sorted(names))) for holder, names in people.items()
    ]
