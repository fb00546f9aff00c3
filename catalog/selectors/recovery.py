"""Recovery windows of an instance as the catalog knows them: for the timeline, the command, and targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from catalog.models import Backup, Heartbeat, Instance, LogGap, LogHistory, LogStretch
from catalog.states import GONE_BACKUP, GOOD_BACKUP
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.stored_timeline import lineage_began, switches
from dataprotect.engine.timeline import RecoveryWindows, recovery_windows
from dataprotect.engine.timeline_lines import lineage_of
from dataprotect.engine.timeline_model import (
    BackupPoint,
    Beat,
    Facts,
    Gap,
    KnownGap,
    Lineage,
    RecoveryWindow,
    Stretch,
)

MARKS = 500
"""The most that is drawn of anything: more could not be told apart."""
_BEATS = 5000
_BACKUPS = 5000
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class BackupMark:
    """One backup in the lane of its type."""

    backup_id: str
    type: str
    state: str
    good: bool
    stopped_at: datetime


@dataclass(frozen=True, slots=True)
class RecoveryTimeline:
    """What the timeline draws. Everything is by time, the oldest first, and thinned to 500 of a kind.

    newest_at  the last instant that can be restored; None when nothing can
    """

    start_at: datetime | None
    end_at: datetime | None
    newest_at: datetime | None
    backups: tuple[BackupMark, ...]
    windows: tuple[RecoveryWindow, ...]
    gaps: tuple[Gap, ...]
    found: RecoveryWindows


def recovery_timeline(*, instance: Instance) -> RecoveryTimeline:
    """Five questions to the database, however much there is. The caller has checked who may see it."""
    facts, marks = _facts(instance)
    found = recovery_windows(facts)
    followed = [window.end_at for window in found.windows if not window.abandoned]
    instants = [mark.stopped_at for mark in marks]
    instants += [at for window in found.windows for at in (window.start_at, window.end_at)]
    return RecoveryTimeline(
        start_at=min(instants, default=None),
        end_at=max(instants, default=None),
        newest_at=max(followed, default=None),
        backups=_thinned(marks),
        windows=_thinned(found.windows),
        gaps=_thinned(found.gaps),
        found=found,
    )


def recovery_facts(*, instance: Instance) -> Facts:
    """What windows are computed from, as rows have it."""
    return _facts(instance)[0]


def log_lineage(*, backup: Backup) -> str:
    """The name of the lineage whose log was collected when the backup ended; empty when there is none."""
    stretches = LogStretch.objects.filter(instance_id=backup.instance_id).only(
        "lineage", "system_identifier", "start_at"
    )
    found = lineage_of(Facts(lineages=tuple(_lineages(stretches))), _point(backup))
    return found.name if found else ""


def _facts(instance: Instance) -> tuple[Facts, list[BackupMark]]:
    rows = list(_backups(instance))
    stretches = list(LogStretch.objects.filter(instance=instance))
    facts = Facts(
        backups=tuple(_point(row) for row in rows),
        lineages=tuple(_lineages(stretches)),
        stretches=tuple(
            Stretch(each.lineage, each.timeline, lsn.parse(each.start_position), lsn.parse(each.end_position))
            for each in stretches
        ),
        histories={
            (each.lineage, each.timeline): switches(each.content)
            for each in LogHistory.objects.filter(instance=instance)
        },
        beats=tuple(_beats(instance)),
        gaps=tuple(_known_gap(each) for each in LogGap.objects.filter(instance=instance)),
    )
    marks = [
        BackupMark(row.backup_id, row.type, row.state, row.is_good, row.stopped_at) for row in reversed(rows)
    ]
    return facts, marks


def _backups(instance: Instance) -> Iterable[Backup]:
    """Newest first. Those without positions (none of this engine's) cannot be placed."""
    rows = Backup.objects.filter(instance=instance).exclude(state__in=GONE_BACKUP).exclude(stop_position="")
    return rows.order_by("-stopped_at")[:_BACKUPS]


def _point(row: Backup) -> BackupPoint:
    stop = lsn.parse(row.stop_position)
    return BackupPoint(
        backup_id=row.backup_id,
        type=row.type,  # type: ignore[arg-type]
        good=row.state in GOOD_BACKUP,
        system_identifier=row.system_identifier,
        timeline=row.timeline,
        start_position=lsn.parse(row.start_position or row.stop_position),
        stop_position=stop,
        own_end=max(stop, lsn.parse(row.fingerprint_position or row.stop_position)),
        stopped_at=row.stopped_at,
    )


def _lineages(stretches: Iterable[LogStretch]) -> Iterable[Lineage]:
    known: dict[str, Lineage] = {}
    for each in stretches:
        began = lineage_began(each.lineage) or each.start_at
        if began is not None and each.lineage not in known:
            known[each.lineage] = Lineage(each.lineage, each.system_identifier, began)
    return known.values()


def _beats(instance: Instance) -> Iterable[Beat]:
    """The newest ones; older instants are tied by the backups themselves."""
    rows = Heartbeat.objects.filter(instance=instance).order_by("-at")
    for at, position, timeline in rows.values_list("at", "position", "timeline")[:_BEATS]:
        yield Beat(at, lsn.parse(position), timeline)


def _known_gap(row: LogGap) -> KnownGap:
    return KnownGap(
        row.timeline, lsn.parse(row.from_position), lsn.parse(row.to_position), row.code, row.reason,
        row.acknowledged_by, row.pk,
    )  # fmt: skip


def _thinned(items: Sequence[Item]) -> tuple[Item, ...]:
    """Evenly, with the newest kept."""
    step = -(-len(items) // MARKS) or 1
    return tuple(reversed(tuple(reversed(items))[::step]))
