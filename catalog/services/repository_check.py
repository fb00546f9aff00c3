"""Looking after a repository: is it there, is it ours, how much room is left, is everything still in it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Sum

from catalog.models import Backup, Repository
from catalog.services.access import Actor, require
from catalog.services.backup_state import backup_move
from catalog.services.instance_refresh import instance_refresh
from catalog.services.opening import repository_open
from catalog.states import GONE_BACKUP, LEAVING_BACKUP, BackupState, RepositoryState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.repository import Finding
from dataprotect.storage.repository import Repository as StoredRepository

TASK = "catalog.tasks.run_repository_check"


@dataclass(frozen=True, slots=True)
class _Found:
    sealed: frozenset[str]
    free_bytes: int | None


def repository_check_start(*, actor: Actor, repository: Repository) -> Job:
    """Raises `access.denied`."""
    require(actor=actor, permission="catalog.check_repository")
    return queue.enqueue(
        TASK,
        arguments={"repository_id": repository.pk},
        actor=actor,
        subject=f"repository:{repository.pk}",
        title=f"Check the repository {repository.name}",
        exclusive=f"repository-check:{repository.pk}",
    )


def repository_check_run(*, context: JobContext, repository_id: int) -> dict[str, Any]:
    """Look, and write down what was found. A place that cannot be used fails the job and marks the row."""
    row = Repository.objects.get(pk=repository_id)
    context.phase("look")
    try:
        found = _look(repository_open(row), context)
    except ForeseenError as error:
        _mark_unreachable(context, row, error)
        raise
    missing = _mark_ready(context, row, found)
    return {
        "repository": row.name,
        "state": row.state,
        "free_bytes": row.free_bytes,
        "backups": row.backup_count,
        "stored_bytes": row.stored_bytes,
        "missing": missing,
    }


def _look(stored: StoredRepository, context: JobContext) -> _Found:
    """A damaged seal is damage, which verification finds; it is not an absence."""
    damaged: list[Finding] = []
    sealed = set()
    for seal in stored.seals(damaged=damaged):
        sealed.add(seal.backup_id)
        context.checkpoint()
    sealed |= {finding.object_name.split("/")[-2] for finding in damaged}
    return _Found(frozenset(sealed), stored.free_bytes())


@transaction.atomic
def _mark_unreachable(context: JobContext, row: Repository, error: ForeseenError) -> None:
    context.hold()
    row.state, row.problem, row.checked_at = RepositoryState.UNREACHABLE, error.message[:500], clock.now()
    row.save(update_fields=["state", "problem", "checked_at"])
    data = {"name": row.name, "code": error.code}
    audit_record(actor=context.actor, verb="repository.unreachable", subject=row, data=data)


@transaction.atomic
def _mark_ready(context: JobContext, row: Repository, found: _Found) -> list[str]:
    """Also recounts what the row says about its contents. Returns ids of backups whose seal is gone."""
    context.hold()
    gone = _mark_missing(context, row, found.sealed)
    totals = row.backups.exclude(state__in=GONE_BACKUP | {BackupState.MISSING}).aggregate(
        count=Count("pk"), stored=Sum("bytes_stored")
    )
    row.state, row.problem, row.checked_at = RepositoryState.READY, "", clock.now()
    row.free_bytes, row.backup_count = found.free_bytes, totals["count"]
    row.stored_bytes = totals["stored"] or 0
    row.save()
    data = {"name": row.name, "backups": row.backup_count, "missing": gone}
    audit_record(actor=context.actor, verb="repository.checked", subject=row, data=data)
    return gone


def _mark_missing(context: JobContext, row: Repository, sealed: frozenset[str]) -> list[str]:
    known = Backup.objects.filter(repository=row).exclude(state__in=LEAVING_BACKUP | {BackupState.MISSING})
    gone = [
        backup_id
        for backup_id in known.values_list("backup_id", flat=True).iterator()
        if backup_id not in sealed
    ]
    for backup_id in gone:
        backup = Backup.objects.select_related("instance").get(backup_id=backup_id)
        backup_move(actor=context.actor, backup=backup, state=BackupState.MISSING)
        instance_refresh(backup.instance)
    return gone
