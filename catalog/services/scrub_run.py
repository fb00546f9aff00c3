"""Rereading a share of a repository, in the job: what was read longest ago comes first, and nothing twice
before everything was read once. The cursor is a row, so a killed run goes on where it was.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, IntegerField, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from catalog.models import Backup, Instance, LogScrub, LogStretch, Repository, ScrubProgress, ScrubRun
from catalog.selectors.facts_places import UNREAD_STATES, oldest_read
from catalog.services.bandwidth import bandwidth_of_scrub
from catalog.services.opening import repository_open
from catalog.services.scrub_record import log_part_record, part_record, plain_findings
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.steps import reached
from dataprotect.ops.context import JobContext
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import Finding
from dataprotect.storage.repository import Repository as StoredRepository
from dataprotect.storage.scrubbing import Scrubbed, cost, scrub_logs, scrub_part

PART = 256 << 20
"""The cursor moves at least this often, in bytes."""
MOST_BACKUPS = 100_000
_GONE = ("backup.missing", "storage.object_missing")


@dataclass(slots=True)
class _Run:
    context: JobContext
    row: Repository
    stored: StoredRepository
    left: int
    started_at: datetime = field(default_factory=clock.now)
    objects: int = 0
    bytes: int = 0
    finished: int = 0
    findings: list[dict[str, str]] = field(default_factory=list)

    def add(self, part: Scrubbed) -> None:
        self.objects += len(part.names)
        self.bytes += part.bytes_read
        self.findings += plain_findings(part)


def scrub_run(*, context: JobContext, repository_id: int, share: float) -> dict[str, Any]:
    """Reread about `share` of the repository. Damage is a finding: the job ends well and names the object."""
    row = Repository.objects.get(pk=repository_id)
    rate = bandwidth_of_scrub(row, settings.SCRUB_BYTES_PER_SECOND)
    budget = max(1, int(share * _everything(row)))
    context.phase("reread", budget)
    run = _Run(context, row, repository_open(row, rate=rate), budget)
    for key in _longest_ago_first(row):
        if run.left <= 0:
            break
        _backup(run, Backup.objects.select_related("instance__tier", "repository").get(pk=key))
    _logs(run, int(share * _all_log(row)))
    return _conclude(run)


def _backup(run: _Run, backup: Backup) -> None:
    """On with this backup's pass, until it is complete or the budget is spent."""
    while run.left > 0:
        progress, _ = ScrubProgress.objects.get_or_create(backup=backup)
        began, started_at = time.monotonic(), clock.now()
        part = _read(run, backup, progress)
        reached("scrub.before_row")
        with transaction.atomic():
            run.context.hold()
            spent = time.monotonic() - began
            part_record(context=run.context, progress=progress, part=part, at=started_at, seconds=spent)
        run.left -= part.cost
        run.add(part)
        run.context.checkpoint()
        if part.complete:
            run.finished += 1
            return


def _read(run: _Run, backup: Backup, progress: ScrubProgress) -> Scrubbed:
    """A seal that is damaged or gone is a finding like any other, and ends the pass."""
    try:
        return scrub_part(
            run.stored,
            backup.instance.identifier,
            backup.backup_id,
            after=progress.cursor,
            budget=min(run.left, PART),
            reporter=run.context,
        )
    except ForeseenError as error:
        if not isinstance(error, DamagedObject) and error.code not in _GONE:
            raise
        name = error.object_name if isinstance(error, DamagedObject) else f"{backup.backup_id}/seal.json"
        return Scrubbed((), 0, "", True, (Finding(name, error.message),))


def _logs(run: _Run, budget: int) -> None:
    """The log of each instance has a budget of its own: a new backup a day must not put it off for ever."""
    logged = Instance.objects.filter(log_stretches__repository=run.row).distinct()
    for instance in logged.order_by("pk"):
        progress, _ = LogScrub.objects.get_or_create(instance=instance, repository=run.row)
        budget -= _log(run, progress, budget)
        if budget <= 0:
            return


def _log(run: _Run, progress: LogScrub, budget: int) -> int:
    """On with this log's pass, one object at least. Returns what it cost."""
    spent = 0
    while not spent or spent < budget:
        began = clock.now()
        part = scrub_logs(
            run.stored, progress.instance.identifier, after=progress.cursor,
            budget=min(budget - spent, PART), reporter=run.context,
        )  # fmt: skip
        with transaction.atomic():
            run.context.hold()
            log_part_record(progress=progress, part=part, at=began)
        run.add(part)
        run.context.checkpoint()
        spent += part.cost
        if part.complete:
            break
    return spent


def _everything(row: Repository) -> int:
    """What rereading all of it once costs, from what the rows say."""
    totals = _standing(row).aggregate(size=Sum("bytes_stored"), more=Sum("object_count"))
    return cost(totals["size"] or 0, totals["more"] or 0)


def _all_log(row: Repository) -> int:
    totals = LogStretch.objects.filter(repository=row).aggregate(size=Sum("bytes"), more=Sum("objects_count"))
    return cost(totals["size"] or 0, totals["more"] or 0)


def _standing(row: Repository) -> QuerySet[Backup]:
    return Backup.objects.filter(repository=row).exclude(state__in=UNREAD_STATES)


def _longest_ago_first(row: Repository) -> list[int]:
    """A pass that was begun ends before another begins. Keys only: no cursor stays open while we read."""
    begun = Case(When(scrub__cursor__gt="", then=Value(0)), default=Value(1), output_field=IntegerField())
    read = Coalesce("scrub__last_read_at", "stopped_at")
    return list(_standing(row).order_by(begun, read, "pk").values_list("pk", flat=True)[:MOST_BACKUPS])


def _conclude(run: _Run) -> dict[str, Any]:
    oldest = oldest_read().get(run.row.pk)
    with transaction.atomic():
        run.context.hold()
        done = ScrubRun.objects.create(
            repository=run.row,
            job_id=run.context.job_id,
            started_at=run.started_at,
            finished_at=clock.now(),
            objects_count=run.objects,
            bytes_read=run.bytes,
            backups_finished=run.finished,
            findings=run.findings,
            oldest_read_at=oldest,
            worker=socket.gethostname(),
        )
        data = {"objects": run.objects, "bytes": run.bytes, "damaged": len(run.findings)}
        audit_record(actor=run.context.actor, verb="repository.scrubbed", subject=run.row, data=data)
    return {
        "repository": run.row.name,
        "objects": done.objects_count,
        "bytes": done.bytes_read,
        "backups_finished": done.backups_finished,
        "findings": done.findings,
        "oldest_read_at": None if oldest is None else clock.iso(oldest),
    }
