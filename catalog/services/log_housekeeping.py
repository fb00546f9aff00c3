"""What a collector does beside streaming: bases that are needed, backups held against the log, thinning."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import TruncHour, TruncMinute

from catalog.models import (
    Backup,
    BackupLogCheck,
    Heartbeat,
    Instance,
    LogCollector,
    LogStretch,
    RpoSample,
)
from catalog.selectors.recovery import log_lineage
from catalog.services import log_trouble
from catalog.services.backup_start import TASK, backup_start
from catalog.services.cleaning import save_clean
from catalog.states import GONE_BACKUP, BackupState, BackupType
from dataprotect.core import clock
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.logs import LogStatus, slot_name
from dataprotect.ops.models import Job
from dataprotect.ops.states import ACTIVE, QUEUED

_ACTOR = "system:collector"
_ASK_AGAIN = timedelta(minutes=15)
_CHECKED_AT_ONCE = 50
_GRACE = timedelta(minutes=2)
_UNBROKEN_BEATS = timedelta(hours=2)
_BEATS_BY_MINUTE = timedelta(days=2)
_SAMPLES_IN_FULL = timedelta(days=7)


def slots_known() -> set[str]:
    """The slot of every registered instance."""
    rows = Instance.objects.values_list("engine", "identifier")
    return {slot_name(engine, identifier) for engine, identifier in rows}


def instance_tend(instance: Instance, status: LogStatus | None, known: set[str]) -> None:
    """Called every twenty seconds or so for each instance whose log is collected here."""
    base_ask(instance=instance)
    backups_check(instance=instance)
    if status is not None:
        log_trouble.orphaned(instance, set(status.others) - known)


def base_ask(*, instance: Instance) -> None:
    """A gap or a server put back leaves log that no backup leads into: ask for a full one.

    A restore that is at work takes one itself, once what it restored has proved itself.
    """
    row = LogCollector.objects.filter(instance=instance).first()
    if row is None or not row.base_reason or row.base_needed_since is None:
        return
    since = row.base_needed_since
    if _base_taken(row, since):
        LogCollector.objects.filter(pk=row.pk, base_needed_since=since).update(
            base_reason="", base_needed_since=None
        )
        log_trouble.base_taken(instance)
        return
    if Job.objects.filter(exclusive=instance.restoring_key, state__in=ACTIVE).exists():
        return
    log_trouble.base_needed(instance, row.base_reason)
    asked = Job.objects.filter(
        Q(created_at__gte=since) | Q(state=QUEUED), task=TASK, subject=instance.subject
    )
    newest = asked.aggregate(at=Max("created_at"))["at"]
    running = any(not job.is_terminal for job in asked)
    if not running and (newest is None or clock.now() - newest >= _ASK_AGAIN):
        backup_start(actor=_ACTOR, instance=instance, type=BackupType.FULL)


def _base_taken(row: LogCollector, since: datetime) -> bool:
    """A full one that began later; or before, where the stream shows by now that it holds it."""
    full = Backup.objects.filter(instance_id=row.instance_id, type=BackupType.FULL).exclude(
        state__in=[*GONE_BACKUP, BackupState.DAMAGED, BackupState.MISSING]
    )
    if full.filter(started_at__gte=since).exists():
        return True
    growing = _growing(row, since)
    return growing is not None and any(
        lsn.parse(growing.start_position) <= lsn.parse(each.start_position)
        for each in full.filter(timeline=growing.timeline)
        if log_lineage(backup=each) == growing.lineage
    )


def _growing(row: LogCollector, since: datetime) -> LogStretch | None:
    """The stretch the stream has extended since then; None when it has not shipped anything yet."""
    if row.last_shipped_at is None or row.last_shipped_at <= since:
        return None
    stretches = LogStretch.objects.filter(instance_id=row.instance_id, timeline=row.timeline)
    return max(stretches, key=lambda each: (each.lineage, lsn.parse(each.start_position)), default=None)


def backups_check(*, instance: Instance) -> None:
    """Hold backups against the stored log: start to stop must lie there unbroken, or that is stated."""
    unchecked = Backup.objects.filter(instance=instance, log_check=None).order_by("-stopped_at")
    shipped = _shipped(instance)
    for backup in unchecked[:_CHECKED_AT_ONCE]:
        late = clock.now() - backup.stopped_at > _GRACE
        if late or shipped >= lsn.parse(backup.stop_position):
            backup_check(backup=backup)


def backup_check(*, backup: Backup) -> BackupLogCheck:
    """One backup; what is said about it is saved."""
    found = _missing(backup)
    row = BackupLogCheck.objects.filter(backup=backup).first() or BackupLogCheck(backup=backup)
    row.continuous, row.found, row.checked_at = not found, found[:500], clock.now()
    save_clean(row)
    return row


def _missing(backup: Backup) -> str:
    start, stop = lsn.parse(backup.start_position), lsn.parse(backup.stop_position)
    rows = LogStretch.objects.filter(
        instance_id=backup.instance_id, lineage=log_lineage(backup=backup), timeline=backup.timeline
    )
    for row in rows:
        if lsn.parse(row.start_position) <= start and stop <= lsn.parse(row.end_position):
            return ""
    if not rows:
        return f"No log of timeline {backup.timeline} is stored; the backup restores to its own end only."
    return (
        f"The stored log does not cover the backup from {backup.start_position} to {backup.stop_position}; "
        "it restores to its own end only."
    )


def _shipped(instance: Instance) -> int:
    ends = LogStretch.objects.filter(instance=instance).values_list("end_position", flat=True)
    return max((lsn.parse(end) for end in ends), default=0)


@transaction.atomic
def log_thin(*, instance: Instance, now: datetime) -> None:
    """Heartbeats: all for two hours, one a minute for two days, then one an hour. RPO samples: all for a
    week, then the worst of each hour. What is thinned here still lies in the log objects' headers.
    """
    beats = Heartbeat.objects.filter(instance=instance)
    _keep_last_of(beats.filter(at__lt=now - _UNBROKEN_BEATS, at__gte=now - _BEATS_BY_MINUTE), TruncMinute)
    _keep_last_of(beats.filter(at__lt=now - _BEATS_BY_MINUTE), TruncHour)
    old = RpoSample.objects.filter(instance=instance, at__lt=now - _SAMPLES_IN_FULL)
    worst = old.annotate(span=TruncHour("at")).values("span").annotate(most=Max("exposure_seconds"))
    for hour in worst:
        inside = old.filter(at__gte=hour["span"], at__lt=hour["span"] + timedelta(hours=1))
        keep = inside.filter(exposure_seconds=hour["most"]).order_by("at").values_list("pk", flat=True)[:1]
        inside.exclude(pk__in=list(keep)).delete()


def _keep_last_of(rows: QuerySet[Heartbeat], span: type[TruncHour] | type[TruncMinute]) -> None:
    kept = rows.annotate(span=span("at")).values("span").annotate(last=Max("at")).values("last")
    rows.exclude(at__in=list(kept.values_list("last", flat=True))).delete()
