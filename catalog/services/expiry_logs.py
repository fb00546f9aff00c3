"""Letting go of log that no window and no backup needs. First the catalog forgets it, then it is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from django.db import transaction

from catalog.models import Heartbeat, Instance, LogGap, LogStretch, Repository
from catalog.selectors.retention_facts import RetentionFacts
from catalog.services.cleaning import save_clean
from dataprotect.core import clock
from dataprotect.core.steps import reached
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.retention import Decision, LogFacts
from dataprotect.ops import states as job_states
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.logs import LogObject, LogReader, Stream, Stretch, stretches
from dataprotect.storage.repository import Deleted
from dataprotect.storage.repository import Repository as StoredRepository

_RESTORING = "restores.tasks."
EXPIRED = "logs.expired"


def expiry_logs(
    *, context: JobContext, facts: RetentionFacts, repository: Repository, stored: StoredRepository
) -> Deleted:
    """Delete what the decision of this moment lets go of one instance's log in one repository.

    A run that dies leaves log that no row knows; the next run finds it by its name and deletes it.
    """
    instance = facts.instance
    reader = LogReader(stored, instance.identifier)
    objects = list(reader.objects())
    if not objects or _is_being_read(instance):
        return Deleted(0, 0)
    decision = facts.decide(clock.now(), logs=[_facts(item) for item in objects])
    going = _going(objects, decision)
    if going:
        gone = {item.name for item in going}
        _trim(context, instance, repository, stretches(item for item in objects if item.name not in gone))
        reached("expiry.after_trim")
    context.phase(f"delete log of {instance.name}", sum(item.size for item in going))
    deleted = stored.delete_log_objects(instance.identifier, [item.name for item in going], context)
    _delete_streams(reader.streams(), stored, instance, {item.stream.stream_id for item in objects})
    if deleted.objects:
        _record(context, instance, going, deleted)
    return deleted


def _facts(item: LogObject) -> LogFacts:
    return LogFacts(item.name, item.kind, item.timeline, item.stream.system_identifier, item.start, item.end)


def _going(objects: Sequence[LogObject], decision: Decision) -> list[LogObject]:
    """The oldest first, so that a run that dies leaves an unbroken rest."""
    going = {verdict.name for verdict in decision.logs if not verdict.keep}
    chosen = [item for item in objects if item.name in going]
    return sorted(chosen, key=lambda item: (item.stream.started_at, item.timeline, item.start, item.name))


def _is_being_read(instance: Instance) -> bool:
    """A restore or a clone to an instant reads log piece by piece; it is left in peace until the next run."""
    active = Job.objects.filter(state__in=job_states.ACTIVE, subject=instance.subject)
    return active.filter(task__startswith=_RESTORING).exists()


@transaction.atomic
def _trim(context: JobContext, instance: Instance, repository: Repository, left: Sequence[Stretch]) -> None:
    """Rows of what will be there: before an object goes, no window may count on it.

    Only beginnings change, since the collector may be extending the end at this very moment.
    """
    context.hold()
    rows = LogStretch.objects.select_for_update().filter(instance=instance, repository=repository)
    for row in rows:
        inside = [
            item
            for item in left
            if (item.lineage, item.timeline) == (row.lineage, row.timeline)
            and lsn.parse(row.start_position) < item.end
            and item.start < lsn.parse(row.end_position)
        ]
        if not inside:
            row.delete()
            continue
        inside.sort(key=lambda item: item.start)
        if inside[-1].start > lsn.parse(row.start_position):
            _begin_at(row, inside[-1])
        for island, following in pairwise(inside):
            _island(row, island)
            _name_gap(row, island.end, following.start)


def _begin_at(row: LogStretch, stretch: Stretch) -> None:
    row.start_position = lsn.text(stretch.start)
    row.start_at = _clock_at(row, stretch.start)
    row.objects_count, row.bytes = len(stretch.objects), stretch.bytes
    row.save(update_fields=["start_position", "start_at", "objects_count", "bytes"])


def _island(row: LogStretch, stretch: Stretch) -> None:
    """What a kept backup needs itself, long before the window."""
    save_clean(
        LogStretch(
            instance=row.instance,
            repository=row.repository,
            lineage=row.lineage,
            system_identifier=row.system_identifier,
            timeline=row.timeline,
            start_position=lsn.text(stretch.start),
            end_position=lsn.text(stretch.end),
            start_at=_clock_at(row, stretch.start),
            objects_count=len(stretch.objects),
            bytes=stretch.bytes,
        )
    )


def _name_gap(row: LogStretch, start: int, end: int) -> None:
    """So that nobody takes what retention let go for a loss. It grows as the window moves on."""
    now = clock.now()
    LogGap.objects.update_or_create(
        instance=row.instance,
        timeline=row.timeline,
        from_position=lsn.text(start),
        code=EXPIRED,
        defaults={
            "to_position": lsn.text(end),
            "from_at": _clock_at(row, start),
            "to_at": _clock_at(row, end),
            "reason": "Retention let this log go: no backup that stays is replayed with it.",
            "noticed_at": now,
            "acknowledged_by": "system",
            "acknowledged_at": now,
        },
    )


def _clock_at(row: LogStretch, position: int) -> datetime | None:
    """The first heartbeat at or after the position; None when none is kept."""
    beats = Heartbeat.objects.filter(instance=row.instance, timeline=row.timeline).order_by("at")
    return next((beat.at for beat in beats.iterator() if lsn.parse(beat.position) >= position), None)


def _delete_streams(
    streams: Sequence[Stream], stored: StoredRepository, instance: Instance, known: set[str]
) -> None:
    """Streams that ended in an earlier month and of which nothing is left. The newest may be written to."""
    month = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for stream in streams[:-1]:
        if stream.started_at < month:
            stored.delete_empty_stream(instance.identifier, stream.stream_id)


@transaction.atomic
def _record(context: JobContext, instance: Instance, going: Sequence[LogObject], deleted: Deleted) -> None:
    context.hold()
    data = {
        "instance": instance.name,
        "objects": deleted.objects,
        "bytes": deleted.bytes,
        "first": going[0].name,
        "last": going[-1].name,
    }
    audit_record(actor=context.actor, verb="expiry.logs_deleted", subject=instance, data=data)
