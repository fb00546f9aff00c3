"""The second phase: deleting what waited out its grace time, once more decided right before."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q

from catalog.models import Backup, Expiry, Instance, Repository
from catalog.models.retention import ACTIVE
from catalog.selectors.retention_facts import retention_facts
from catalog.services.backup_state import backup_move
from catalog.services.expiry_place import expiry_spare
from catalog.states import BackupState, ExpiryState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.steps import reached
from dataprotect.ops import states as job_states
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.repository import Deleted
from dataprotect.storage.repository import Repository as StoredRepository

NEEDED = "backup.needed"


def expiries_due(instance: Instance, repository: Repository) -> list[Expiry]:
    """What is being deleted already, and what may be now; the newest first: dependents before parents."""
    now = clock.now()
    due = Q(state=ExpiryState.DELETING) | Q(state=ExpiryState.WAITING, delete_after__lte=now)
    found = Expiry.objects.filter(due, backup__instance=instance, backup__repository=repository)
    return list(found.select_related("backup__instance").order_by("-backup__stopped_at", "-backup_id"))


def expiry_delete(*, context: JobContext, stored: StoredRepository, expiry: Expiry) -> bool:
    """Delete one backup, or go on with it; False when it was spared instead, or has to wait.

    The tombstone is put in the repository before the last decision, so that no backup begins to depend on
    this one after it. Raises what the storage foresees: the row says so, and the next run goes on there.
    """
    backup = expiry.backup
    try:
        if expiry.state == ExpiryState.WAITING and not _may_be_deleted(context, stored, expiry):
            return False
        reached("expiry.before_objects")
        context.phase(f"delete {backup.backup_id}", backup.bytes_stored)
        deleted = stored.delete_backup(backup.instance.identifier, backup.backup_id, context)
    except ForeseenError as error:
        _record_problem(context, expiry, error)
        raise
    reached("expiry.after_objects")
    _record_end(context, expiry, deleted)
    context.note(f"Deleted {backup.backup_id}.")
    return True


def _may_be_deleted(context: JobContext, stored: StoredRepository, expiry: Expiry) -> bool:
    instance, backup_id = expiry.backup.instance.identifier, expiry.backup.backup_id
    if waiting := _has_to_wait(expiry.backup):
        context.note(f"{backup_id} waits: {waiting}")
        return False
    try:
        stored.mark_backup(instance, backup_id)
    except ForeseenError as error:
        if error.code != NEEDED:
            raise
        _spare(context, expiry, error.message)
        return False
    reached("expiry.after_mark")
    if _pass_the_point_of_no_return(context, expiry):
        return True
    stored.spare_backup(instance, backup_id)
    return False


@transaction.atomic
def _spare(context: JobContext, expiry: Expiry, reason: str) -> None:
    """The repository knows of a dependent that the catalog does not."""
    context.hold()
    context.note(f"{expiry.backup.backup_id} is spared: {reason}")
    expiry_spare(actor=context.actor, expiry=expiry, reason=reason)


@transaction.atomic
def _pass_the_point_of_no_return(context: JobContext, expiry: Expiry) -> bool:
    """Decided anew under the instance's lock: a hold or a dependent that came meanwhile wins."""
    context.hold()
    instance = Instance.objects.select_for_update().get(pk=expiry.backup.instance_id)
    expiry.refresh_from_db(fields=["state"])
    if expiry.state != ExpiryState.WAITING or _has_to_wait(expiry.backup):
        return False
    if reason := _kept_by(expiry, instance):
        context.note(f"{expiry.backup.backup_id} is spared: {reason}")
        expiry_spare(actor=context.actor, expiry=expiry, reason=reason)
        return False
    _begin(context, expiry)
    return True


def _kept_by(expiry: Expiry, instance: Instance) -> str:
    (facts,) = retention_facts([instance])
    decision = facts.decide(clock.now())
    verdict = next(item for item in decision.backups if item.name == expiry.backup.backup_id)
    return " ".join(verdict.sentences) if verdict.keep else ""


def _has_to_wait(backup: Backup) -> str:
    """Dependents go first; and nobody saws off the branch on which a job sits."""
    dependents = backup.dependents.exclude(state=BackupState.DELETED)
    if (other := dependents.order_by("-stopped_at").first()) is not None:
        return f"{other.backup_id}, which depends on it, is still there."
    using = Job.objects.filter(state__in=job_states.ACTIVE, arguments__backup_id=backup.backup_id)
    if (job := using.first()) is not None:
        return f"“{job.title}” ({job.short_id}) uses it."
    return ""


def _begin(context: JobContext, expiry: Expiry) -> None:
    now = clock.now()
    Expiry.objects.filter(pk=expiry.pk, state=ExpiryState.WAITING).update(
        state=ExpiryState.DELETING, deleting_at=now
    )
    expiry.state, expiry.deleting_at = ExpiryState.DELETING, now
    backup_move(actor=context.actor, backup=expiry.backup, state=BackupState.DELETING)


@transaction.atomic
def _record_problem(context: JobContext, expiry: Expiry, error: ForeseenError) -> None:
    context.hold()
    Expiry.objects.filter(pk=expiry.pk).update(problem=error.message[:500])


@transaction.atomic
def _record_end(context: JobContext, expiry: Expiry, deleted: Deleted) -> None:
    """The row of the backup stays: what it was, when it went and why can be asked for ever."""
    context.hold()
    backup, now = expiry.backup, clock.now()
    objects = deleted.objects or backup.object_count
    size = deleted.bytes or backup.bytes_stored
    changed = Expiry.objects.filter(pk=expiry.pk, state__in=ACTIVE).update(
        state=ExpiryState.DELETED, deleted_at=now, objects_deleted=objects, bytes_deleted=size, problem=""
    )
    if not changed:
        return
    backup_move(actor=context.actor, backup=backup, state=BackupState.DELETED)
    Repository.objects.filter(pk=backup.repository_id, backup_count__gt=0).update(
        backup_count=F("backup_count") - 1
    )
    Repository.objects.filter(pk=backup.repository_id, stored_bytes__gte=backup.bytes_stored).update(
        stored_bytes=F("stored_bytes") - backup.bytes_stored
    )
    data = {"objects": objects, "bytes": size, "reasons": expiry.reasons, "placed_by": expiry.placed_by}
    audit_record(actor=context.actor, verb="expiry.deleted", subject=backup.subject, data=data)
