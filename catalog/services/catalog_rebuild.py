"""Recreating the catalog from what a repository says about itself. Running it again changes nothing.

What comes back: instances (without their passwords, which no repository holds) and their backups, in state
`stored`: what was proved about them was written down only in the catalog that is lost, so it is proved again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import transaction

from catalog.models import Backup, Instance, Repository
from catalog.services.access import Actor, require
from catalog.services.backup_record import backup_from_repository, seal_parents
from catalog.services.backup_state import backup_move
from catalog.services.cleaning import save_clean
from catalog.services.instance_rebuild import instance_rebuild
from catalog.services.log_stretch import stretches_adopt
from catalog.services.opening import repository_open
from catalog.states import GONE_BACKUP, BackupState
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage import names
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.repository import Repository as StoredRepository
from dataprotect.storage.repository import Seal

TASK = "catalog.tasks.run_rebuild"


def catalog_rebuild_start(*, actor: Actor, repository: Repository) -> Job:
    """Raises `access.denied`."""
    require(actor=actor, permission="catalog.change_repository")
    return queue.enqueue(
        TASK,
        arguments={"repository_id": repository.pk},
        actor=actor,
        subject=f"repository:{repository.pk}",
        title=f"Rebuild the catalog from {repository.name}",
        exclusive=f"repository-rebuild:{repository.pk}",
    )


def catalog_rebuild_run(*, context: JobContext, repository_id: int) -> dict[str, Any]:
    """Every sealed backup of the repository gets its row. Damaged ones are listed, the others go on."""
    row = Repository.objects.get(pk=repository_id)
    stored = repository_open(row)
    found: dict[str, Any] = {
        "repository": row.name, "instances": [], "backups": [], "known": 0, "damaged": [], "log_stretches": 0,
    }  # fmt: skip
    for identifier in stored.instances():
        context.phase(f"read {identifier}")
        _rebuild_one(context, row, stored, identifier, found)
    _recount(context, row)
    return found


def _rebuild_one(
    context: JobContext, row: Repository, stored: StoredRepository, identifier: str, found: dict[str, Any]
) -> None:
    seals = list(_seals(stored, identifier, found["damaged"]))
    instance = Instance.objects.select_related("repository").filter(identifier=identifier).first()
    if instance is None and seals:
        instance = instance_rebuild(context=context, repository=row, stored=stored, seals=seals)
        if instance is None:
            found["damaged"].append(f"{identifier}: no manifest says which instance this is")
            return
        found["instances"].append(instance.name)
    if instance is not None:
        fresh = [seal for seal in seals if not _known(context, seal)]
        found["known"] += len(seals) - len(fresh)
        found["backups"] += _adopt(context, instance, row, stored, fresh)
        found["log_stretches"] += _rebuild_logs(instance, row, stored, identifier, found["damaged"])


def _rebuild_logs(
    instance: Instance, row: Repository, stored: StoredRepository, identifier: str, damaged: list[str]
) -> int:
    """Stretches, gaps, histories and heartbeats from the log's own objects; how many stretches there are."""
    try:
        return stretches_adopt(instance=instance, repository=row, stored=stored)
    except DamagedObject as error:
        damaged.append(f"{identifier}: the log was left out ({error.message})")
        return 0


def _seals(stored: StoredRepository, identifier: str, damaged: list[str]) -> Iterator[Seal]:
    """Every readable seal of the instance, the oldest first."""
    seals = []
    for backup_id in _folders(stored, identifier):
        try:
            seals.append(stored.seal(identifier, backup_id))
        except DamagedObject as error:
            damaged.append(str(error))
        except ForeseenError as error:
            if error.code != "backup.missing":
                raise
    return iter(sorted(seals, key=lambda seal: seal.started_at))


def _folders(stored: StoredRepository, identifier: str) -> list[str]:
    folders = stored.backend.folders(names.backups_folder(identifier))
    return [folder.rstrip("/").rpartition("/")[2] for folder in folders]


@transaction.atomic
def _known(context: JobContext, seal: Seal) -> bool:
    """A backup that was missing and is there again is `stored` again: it has everything to prove."""
    backup = Backup.objects.filter(backup_id=seal.backup_id).first()
    if backup is None:
        return False
    if backup.state == BackupState.MISSING:
        context.hold()
        backup_move(actor=context.actor, backup=backup, state=BackupState.STORED)
    return True


def instance_adopt(*, context: JobContext, instance: Instance, stored: StoredRepository) -> list[str]:
    """Rows for sealed backups of one instance that the catalog does not know. Returns their ids."""
    known = set(Backup.objects.filter(instance=instance).values_list("backup_id", flat=True))
    unknown = [name for name in _folders(stored, instance.identifier) if name not in known]
    seals = []
    for backup_id in unknown:
        try:
            seals.append(stored.seal(instance.identifier, backup_id))
        except ForeseenError as error:  # damaged, or not sealed: `rebuild_catalog` names it
            context.note(error.message)
    return _adopt(context, instance, instance.repository, stored, seals)


def _adopt(
    context: JobContext, instance: Instance, row: Repository, stored: StoredRepository, seals: list[Seal]
) -> list[str]:
    adopted = []
    for seal in sorted(seals, key=lambda item: item.started_at):
        context.checkpoint()
        findings = _findings(stored, seal)
        with transaction.atomic():
            context.hold()
            backup = backup_from_repository(instance, seal, findings or {})
            backup.repository = row
            save_clean(backup)
            seal_parents(backup, seal)
            audit_record(
                actor=context.actor,
                verb="backup.adopted",
                subject=backup.subject,
                data={"instance": instance.name, "repository": row.name},
            )
            if findings is None:
                backup_move(actor=context.actor, backup=backup, state=BackupState.DAMAGED)
        adopted.append(backup.backup_id)
    return adopted


def _findings(stored: StoredRepository, seal: Seal) -> dict[str, Any] | None:
    """What the backup's own manifest says was found while it was taken; None when it cannot be read."""
    try:
        attached = stored.read(seal.instance_id, seal.backup_id).attachments()
    except DamagedObject:
        return None
    return dict(attached.get("findings", {}))


@transaction.atomic
def _recount(context: JobContext, row: Repository) -> None:
    context.hold()
    lost = GONE_BACKUP | {BackupState.MISSING}
    kept = row.backups.exclude(state__in=lost).values_list("bytes_stored", flat=True)
    row.backup_count, row.stored_bytes = len(kept), sum(kept)
    row.save(update_fields=["backup_count", "stored_bytes"])
    audit_record(actor=context.actor, verb="catalog.rebuilt", subject=row, data={"backups": row.backup_count})
