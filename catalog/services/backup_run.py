"""Taking a backup, in the job: clear the ground, take it, write it down, read it back."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.db.models import F

from catalog.models import Backup, Instance, Repository
from catalog.services.backup_base import backup_base
from catalog.services.backup_judge import backup_judge
from catalog.services.backup_record import backup_from_result, seal_parents
from catalog.services.bandwidth import bandwidth_of
from catalog.services.catalog_rebuild import instance_adopt
from catalog.services.cleaning import save_clean
from catalog.services.expiry_delete import expiries_due, expiry_delete
from catalog.services.opening import repository_open, source_of
from catalog.services.verification_run import verification_take
from catalog.states import VerificationLevel
from dataprotect.core import clock
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError, LeaseLost
from dataprotect.core.steps import reached
from dataprotect.engine.backup import take_backup
from dataprotect.engine.model import BackupRequest, BackupResult, BackupType, Reader
from dataprotect.ops import home
from dataprotect.ops.context import JobContext
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.repository import Repository as StoredRepository


def backup_run(*, context: JobContext, instance_id: int, type: str, reader: str) -> dict[str, Any]:
    """One backup of one instance, read back before it is called checked. A repeated run takes a new one.

    Raises what the engine and the storage foresee; then there is no new row, or one in state `damaged`.
    """
    instance = _instance(instance_id)
    rate = bandwidth_of(instance, instance.repository)
    stored = repository_open(instance.repository, write=True, rate=rate)
    _clear_the_ground(context, instance, stored)
    result = take_backup(_request(instance, type, reader), stored, context, engine=instance.engine)
    reached("backup.before_row")
    backup = _record(context, instance, stored, result)
    reached("backup.after_row")
    context.phase("read back")
    verification = verification_take(context=context, backup=backup, level=VerificationLevel.CHECKSUM)
    backup_judge(backup)
    if not verification.passed:
        raise _not_readable(backup)
    return _summary(backup, result)


def _instance(key: int) -> Instance:
    found = Instance.objects.select_related("repository", "tier", "policy").filter(pk=key).first()
    if found is None:
        raise ForeseenError(
            "instance.not_found", "The instance is no longer registered.", "Nothing: there is nothing to do."
        )
    return found


def _request(instance: Instance, type: str, reader: str) -> BackupRequest:
    base = backup_base(instance=instance, type=type)
    return BackupRequest(
        source=source_of(instance),
        backup_id="",
        type=cast(BackupType, type),
        base_id=base.backup_id,
        base_reason=base.reason,
        chain_limit=settings.BACKUP_CHAIN_LIMIT,
        reader=cast(Reader, reader),
        spool=home.spool(),
    )


def _clear_the_ground(context: JobContext, instance: Instance, stored: StoredRepository) -> None:
    """What an earlier, killed attempt left: unsealed pieces go, a sealed backup nobody wrote down is adopted.

    No live job owns any of it: this one holds the instance's exclusive key, and `hold` proves it still does.
    """
    context.phase("sweep")
    before = clock.now()
    with transaction.atomic():
        context.hold()
    for name in stored.sweep(instance.identifier, before=before):
        context.note(f"Removed what an unfinished backup left behind: {name}.")
    for backup_id in instance_adopt(context=context, instance=instance, stored=stored):
        context.note(f"Took a finished backup into the catalog that an ended job had not: {backup_id}.")
    _expire_first(context, instance, stored)


def _expire_first(context: JobContext, instance: Instance, stored: StoredRepository) -> None:
    """What is due goes before more is written: on a full disk its room may be what the backup needs."""
    for expiry in expiries_due(instance, instance.repository):
        context.checkpoint()
        try:
            expiry_delete(context=context, stored=stored, expiry=expiry)
        except (Cancelled, EmergencyStop, LeaseLost):
            raise
        except ForeseenError as error:
            context.note(f"{expiry.backup.backup_id} could not be deleted now: {error.message}")


@transaction.atomic
def _record(
    context: JobContext, instance: Instance, stored: StoredRepository, result: BackupResult
) -> Backup:
    context.hold()
    seal = stored.seal(instance.identifier, result.backup_id)
    backup = backup_from_result(instance, result, seal)
    backup.job_id = context.job_id
    save_clean(backup)
    seal_parents(backup, seal)
    Repository.objects.filter(pk=instance.repository_id).update(
        backup_count=F("backup_count") + 1,
        stored_bytes=F("stored_bytes") + backup.bytes_stored,
        free_bytes=stored.free_bytes(),
    )
    if not instance.system_identifier:
        Instance.objects.filter(pk=instance.pk).update(system_identifier=result.system_identifier)
    data = {
        "instance": instance.name, "type": backup.type, "reader": backup.reader, "bytes": backup.bytes_stored,
        "start": backup.start_position, "stop": backup.stop_position, "base": result.base_id,
    }  # fmt: skip
    audit_record(actor=context.actor, verb="backup.stored", subject=backup.subject, data=data)
    return backup


def _not_readable(backup: Backup) -> ForeseenError:
    return ForeseenError(
        "backup.not_readable",
        f"The backup {backup.backup_id} was stored, but reading it back found other bytes than were written.",
        "Check the disk of the repository, then take another backup; this one is marked as damaged.",
    )


def _summary(backup: Backup, result: BackupResult) -> dict[str, Any]:
    parents = backup.parents.order_by("-stopped_at").values_list("backup_id", flat=True)
    return {
        "backup_id": backup.backup_id,
        "type": backup.type,
        "state": backup.state,
        "reader": backup.reader,
        "files": backup.files,
        "bytes_read": backup.bytes_read,
        "bytes_stored": backup.bytes_stored,
        "seconds": round(result.seconds, 3),
        "start_position": backup.start_position,
        "stop_position": backup.stop_position,
        "peak_memory": backup.peak_memory,
        "base_id": result.base_id,
        "parents": list(parents),
        "type_reason": result.type_reason,
        "warnings": list(result.warnings),
        "bad_pages": list(result.bad_pages),
    }
