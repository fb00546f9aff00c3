"""What shall be brought back: a backup as it is, or an instant reached from the best one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.models import Backup, Instance
from catalog.services.access import Actor, require
from catalog.services.recovery_choose import recovery_check, recovery_choose
from dataprotect.engine.recovery_target import as_plain, of_plain
from dataprotect.engine.timeline_model import Choice, Target
from restores.models import RestoreRequest


@dataclass(frozen=True, slots=True)
class Wanted:
    """`arguments` are the job's; `title` names it in a sentence."""

    instance: Instance
    arguments: dict[str, Any]
    title: str


def wanted_of(
    *, actor: Actor, backup: Backup | None, instance: Instance | None, target: Target | None
) -> Wanted:
    """Raises `access.denied`, and `target.outside` or `target.no_window` where the catalog knows better."""
    place = backup.instance if backup is not None else instance
    if place is None or (backup is None and target is None):
        raise ValueError("a backup, or an instance with a target")
    require(actor=actor, permission="catalog.restore_instance", instance=place)
    if target is not None:
        recovery_check(instance=place, target=target)
    arguments = {
        "backup_id": backup.backup_id if backup is not None else None,
        "instance_id": place.pk,
        "recovery_target": as_plain(target) if target is not None else None,
    }
    base = backup.backup_id if backup is not None else place.name
    return Wanted(place, arguments, f"{base} at {target}" if target is not None else base)


def wanted_by(request: RestoreRequest) -> dict[str, Any]:
    """Of a request whose plan may not be frozen yet, as `chosen_backup` takes it."""
    return {
        "backup_id": request.backup.backup_id if request.backup is not None else None,
        "instance_id": request.instance_id,
        "recovery_target": request.recovery_target,
    }


def chosen_backup(wanted: Mapping[str, Any]) -> tuple[Backup, Choice | None]:
    """The backup to bring back and, for a target, how it is reached by what the repository holds now."""
    rows = Backup.objects.select_related("instance__repository", "repository")
    backup_id, target = wanted["backup_id"], wanted.get("recovery_target")
    backup = rows.get(backup_id=backup_id) if backup_id is not None else None
    if target is None:
        assert backup is not None  # noqa: S101  see wanted_of
        return backup, None
    if backup is None:
        instance = Instance.objects.select_related("repository").get(pk=wanted["instance_id"])
    else:
        instance = backup.instance
    choice = recovery_choose(instance=instance, target=of_plain(target), backup=backup)
    return backup or rows.get(instance=instance, backup_id=choice.base.backup_id), choice
