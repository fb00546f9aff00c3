"""One expiry run of one repository, in the job: decide, mark, and delete what was marked long enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from catalog.models import Backup, Expiry, Instance, LogStretch, Repository
from catalog.selectors.retention_facts import RetentionFacts, retention_facts
from catalog.services.expiry_delete import expiries_due, expiry_delete
from catalog.services.expiry_logs import expiry_logs
from catalog.services.expiry_place import expiry_place, expiry_spare
from catalog.services.opening import repository_open
from catalog.states import GONE_BACKUP, LEAVING_BACKUP, BackupState, ExpiryState
from dataprotect.core import clock
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError, LeaseLost
from dataprotect.core.steps import reached
from dataprotect.engine.retention import Decision
from dataprotect.ops.context import JobContext
from dataprotect.storage.repository import Repository as StoredRepository


@dataclass
class _Done:
    placed: list[str] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    log_objects: int = 0
    log_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def expiry_run(*, context: JobContext, repository_id: int) -> dict[str, Any]:
    """Each instance for itself: what goes wrong with one keeps none of the others.

    Raises `expiry.incomplete` at the end when something did; it is all done again by the next run.
    """
    repository = Repository.objects.get(pk=repository_id)
    stored = repository_open(repository, write=True)
    for name in stored.backend.sweep_temporary():
        context.note(f"Removed what a dead writer left unfinished: {name}.")
    done = _Done()
    for instance in _instances(repository):
        context.checkpoint()
        try:
            _expire_one(context, repository, stored, instance, done)
        except (Cancelled, EmergencyStop, LeaseLost):
            raise
        except ForeseenError as error:
            done.problems.append(f"{instance.name}: {error.message}")
            context.note(f"{instance.name}: {error.message} {error.action}")
    if done.problems:
        raise ForeseenError(
            "expiry.incomplete",
            f"Not everything could be expired: {' '.join(done.problems)}"[:2000],
            "Look after the repository; the next run goes on where this one ended.",
            retry=True,
        )
    return {"repository": repository.name, **vars(done)}


def _instances(repository: Repository) -> list[Instance]:
    """Those that have, or had until a moment ago, something in it."""
    backed_up = Backup.objects.filter(repository=repository).exclude(state=BackupState.DELETED)
    keys = set(backed_up.values_list("instance_id", flat=True))
    keys |= set(LogStretch.objects.filter(repository=repository).values_list("instance_id", flat=True))
    return list(Instance.objects.filter(pk__in=keys).order_by("pk"))


def _expire_one(
    context: JobContext, repository: Repository, stored: StoredRepository, instance: Instance, done: _Done
) -> None:
    context.phase(f"decide on {instance.name}")
    _take_back_stray_marks(context, stored, instance)
    _mark(context, repository, instance, done)
    reached("expiry.after_marks")
    for expiry in expiries_due(instance, repository):
        context.checkpoint()
        if expiry_delete(context=context, stored=stored, expiry=expiry):
            done.deleted.append(expiry.backup.backup_id)
    (facts,) = retention_facts([instance])
    logs = expiry_logs(context=context, facts=facts, repository=repository, stored=stored)
    done.log_objects += logs.objects
    done.log_bytes += logs.bytes


@transaction.atomic
def _mark(context: JobContext, repository: Repository, instance: Instance, done: _Done) -> None:
    """Tombstones where the decision says so, and away where it no longer does."""
    context.hold()
    locked = Instance.objects.select_for_update().get(pk=instance.pk)
    (facts,) = retention_facts([locked])
    decision = facts.decide(clock.now())
    _place(context, repository, facts, decision, done)
    keep = set(decision.kept)
    waiting = Expiry.objects.filter(state=ExpiryState.WAITING, backup__instance=locked)
    for expiry in waiting.select_related("backup").filter(backup__repository=repository):
        if expiry.backup.backup_id in keep:
            reasons = next(v.sentences for v in decision.backups if v.name == expiry.backup.backup_id)
            expiry_spare(actor=context.actor, expiry=expiry, reason=" ".join(reasons))
            done.spared.append(expiry.backup.backup_id)


def _place(
    context: JobContext, repository: Repository, facts: RetentionFacts, decision: Decision, done: _Done
) -> None:
    for verdict in decision.backups:
        row = facts.rows[verdict.name]
        if verdict.keep or row.state in LEAVING_BACKUP or row.repository_id != repository.pk:
            continue
        row.instance = facts.instance
        expiry_place(actor=context.actor, backup=row, reasons=verdict.sentences)
        done.placed.append(row.backup_id)


def _take_back_stray_marks(context: JobContext, stored: StoredRepository, instance: Instance) -> None:
    """Tombstones in the repository of backups that the catalog does not want deleted.

    They come from a catalog that was put back to an older state. A whole backup is spared and decided on like
    any other; of one whose seal is gone, the rest goes.
    """
    leaving = Backup.objects.filter(instance=instance, state__in=GONE_BACKUP)
    expected = set(leaving.values_list("backup_id", flat=True))
    for backup_id in stored.half_deleted(instance.identifier):
        if backup_id in expected:
            continue
        with transaction.atomic():
            context.hold()
        if stored.spare_backup(instance.identifier, backup_id):
            context.note(f"Took back a deletion of {backup_id} that the catalog knows nothing of.")
        else:
            stored.delete_backup(instance.identifier, backup_id, context)
            context.note(f"Finished a deletion of {backup_id} that the catalog knows nothing of.")
