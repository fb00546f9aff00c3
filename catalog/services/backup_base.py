"""Which backup the next one builds on, by what was proved about the candidates."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import Backup, Instance
from catalog.states import GOOD_BACKUP, BackupType

_LOOKED_AT = 50
"""Candidates, the newest first; when none of them will do, a full backup is the right answer anyway."""


@dataclass(frozen=True, slots=True)
class BaseChoice:
    """`backup_id` "" means a full backup will be taken; `reason` says why, in a sentence."""

    backup_id: str
    reason: str


def backup_base(*, instance: Instance, type: str) -> BaseChoice:
    """The newest backup that may be built on: read back, as is everything it depends on, and in the
    repository that the new one goes to. A differential builds on a full only.
    """
    if type == BackupType.FULL:
        return BaseChoice("", "")
    found = Backup.objects.filter(instance=instance)
    if type == BackupType.DIFFERENTIAL:
        found = found.filter(type=BackupType.FULL)
    newest = found.order_by("-stopped_at", "-pk").first()
    if newest is None:
        wanted = "full backup" if type == BackupType.DIFFERENTIAL else "backup"
        return BaseChoice("", f"{instance.name} has no {wanted} yet.")
    usable = found.filter(state__in=GOOD_BACKUP, repository=instance.repository)
    for candidate in usable.prefetch_related("parents").order_by("-stopped_at", "-pk")[:_LOOKED_AT]:
        if all(parent.state in GOOD_BACKUP for parent in candidate.parents.all()):
            return BaseChoice(candidate.backup_id, "")
    return BaseChoice("", _why_not(instance, newest))


def _why_not(instance: Instance, newest: Backup) -> str:
    if newest.repository_id != instance.repository_id:
        return f"The last backup, {newest.backup_id}, is in the repository {newest.repository.name}."
    if newest.state not in GOOD_BACKUP:
        return f"The last backup, {newest.backup_id}, is {newest.get_state_display().lower()}, not checked."
    return f"The last backup, {newest.backup_id}, depends on one that is not checked."
