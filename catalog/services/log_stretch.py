"""Rows of stored log: extended as it is shipped, and made again from what a repository holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from django.db import transaction

from catalog.models import Heartbeat, Instance, LogGap, LogHistory, LogStretch, Repository
from catalog.services.cleaning import save_clean
from dataprotect.core import clock
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.logs import FoundGap
from dataprotect.storage.logs import Heartbeat as StoredBeat
from dataprotect.storage.logs import LogReader, Shipped, Stretch, stretches
from dataprotect.storage.repository import Repository as StoredRepository

_UNEXPLAINED = "Log is missing in the repository, and nothing there says why."


@dataclass
class Advance:
    """Ships that follow each other, told as one."""

    lineage: str
    timeline: int
    start: int
    end: int
    objects: int = 0
    bytes: int = 0
    beats: list[tuple[int, datetime]] = field(default_factory=list)


def advances(ships: Sequence[Shipped]) -> list[Advance]:
    """In order; one per lineage, timeline and unbroken stretch."""
    found: list[Advance] = []
    for ship in ships:
        last = found[-1] if found else None
        if (
            last is None
            or (last.lineage, last.timeline) != (ship.lineage, ship.timeline)
            or (not last.start <= ship.start <= last.end)
        ):
            last = Advance(ship.lineage, ship.timeline, ship.start, ship.end)
            found.append(last)
        last.end = max(last.end, ship.end)
        last.objects += (1 if ship.stored else 0) - ship.removed_objects
        last.bytes += ship.stored - ship.removed
        last.beats += [(lsn.parse(beat.position), beat.at) for beat in ship.heartbeats]
    return found


def stretch_extend(*, instance: Instance, system_identifier: str, advance: Advance) -> bool:
    """In the caller's transaction. False when it follows no stored stretch although there is one: something
    in between was not told, or is missing.
    """
    rows = LogStretch.objects.select_for_update().filter(
        instance=instance, lineage=advance.lineage, timeline=advance.timeline
    )
    for row in rows:
        if lsn.parse(row.start_position) <= advance.start <= lsn.parse(row.end_position):
            _extend(row, advance)
            return True
    if rows:
        return False
    row = LogStretch(
        instance=instance, repository=instance.repository, lineage=advance.lineage,
        system_identifier=system_identifier, timeline=advance.timeline,
        start_position=lsn.text(advance.start), end_position=lsn.text(advance.start),
    )  # fmt: skip
    _extend(row, advance)
    return True


def _extend(row: LogStretch, advance: Advance) -> None:
    row.end_position = lsn.text(max(lsn.parse(row.end_position), advance.end))
    row.objects_count = max(1, row.objects_count + advance.objects)
    row.bytes = max(0, row.bytes + advance.bytes)
    inside = sorted(beat for beat in advance.beats if beat[0] <= advance.end)
    if inside:
        row.start_at = row.start_at or inside[0][1]
        row.end_at = max(row.end_at, inside[-1][1]) if row.end_at else inside[-1][1]
    save_clean(row)


def stretches_adopt(
    *,
    instance: Instance,
    repository: Repository,
    stored: StoredRepository,
    headers: bool = True,
    told: Sequence[tuple[StoredBeat, int]] = (),
) -> int:
    """Rows of the instance's log as the repository holds it, whatever they were before; returns how many.

    `headers` reads heartbeats from the objects (one small read each); without them known instants stay, and
    those of `told`, with their timelines, come to them.
    Everything is read before the catalog is touched, so that nobody waits for it.
    """
    reader = LogReader(stored, instance.identifier)
    items = list(reader.objects())
    found = [
        (stretch, _beats(reader, stretch) if headers else _inside(stretch, told))
        for stretch in stretches(items)
    ]
    histories = [(item, reader.content(item).decode()) for item in items if item.kind == "history"]
    with transaction.atomic():
        _replace(instance, repository, found, keep=not headers)
        for item, content in histories:
            LogHistory.objects.update_or_create(
                instance=instance, lineage=item.stream.lineage, timeline=item.timeline,
                defaults={"content": content},
            )  # fmt: skip
    return len(found)


def _replace(
    instance: Instance,
    repository: Repository,
    found: Sequence[tuple[Stretch, list[StoredBeat]]],
    *,
    keep: bool,
) -> None:
    """`keep` what instants were known of a stretch that begins where it began."""
    rows = LogStretch.objects.select_for_update().filter(instance=instance, repository=repository)
    known = {_key(row): row for row in rows}
    LogStretch.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
    for stretch, beats in found:
        heartbeats_store(instance=instance, beats=[(beat, stretch.timeline) for beat in beats])
        row = _row(instance, stretch, beats, known if keep else {})
        row.repository = repository
        save_clean(row)
    _name_gaps(instance, [stretch for stretch, _ in found])


def _name_gaps(instance: Instance, found: Sequence[Stretch]) -> None:
    """A hole between two stretches of one line that no row explains yet."""
    for before, after in pairwise(found):
        if (before.lineage, before.timeline) != (after.lineage, after.timeline):
            continue
        known = LogGap.objects.filter(
            instance=instance, timeline=before.timeline, from_position=lsn.text(before.end)
        )
        if not known.exists():
            gap = FoundGap(before.timeline, before.end, after.start, "logs.missing", _UNEXPLAINED)
            gap_record(instance=instance, gap=gap)


def stored_until(instance: Instance) -> datetime | None:
    """The newest instant up to which everything is stored."""
    return (
        LogStretch.objects.filter(instance=instance, end_at__isnull=False)
        .order_by("-end_at")
        .values_list("end_at", flat=True)
        .first()
    )


def gap_record(*, instance: Instance, gap: FoundGap) -> LogGap:
    """In the caller's transaction. The same gap found again is the same row."""
    until = stored_until(instance)
    row, _ = LogGap.objects.get_or_create(
        instance=instance, timeline=gap.timeline, from_position=lsn.text(gap.start),
        to_position=lsn.text(gap.end),
        defaults={
            "code": gap.code, "reason": gap.reason[:500], "noticed_at": clock.now(),
            "from_at": until, "to_at": clock.now(),
        },
    )  # fmt: skip
    return row


def _key(row: LogStretch) -> tuple[str, int, str]:
    return row.lineage, row.timeline, row.start_position


def _row(
    instance: Instance,
    stretch: Stretch,
    beats: list[StoredBeat],
    known: dict[tuple[str, int, str], LogStretch],
) -> LogStretch:
    old = known.get((stretch.lineage, stretch.timeline, lsn.text(stretch.start)))
    instants = [beat.at for beat in beats]
    instants += [at for at in (old.start_at, old.end_at) if at is not None] if old else []
    return LogStretch(
        instance=instance, repository=instance.repository, lineage=stretch.lineage,
        system_identifier=stretch.system_identifier, timeline=stretch.timeline,
        start_position=lsn.text(stretch.start), end_position=lsn.text(stretch.end),
        start_at=min(instants, default=None), end_at=max(instants, default=None),
        objects_count=len(stretch.objects), bytes=stretch.bytes,
    )  # fmt: skip


def _beats(reader: LogReader, stretch: Stretch) -> list[StoredBeat]:
    """Those that lie inside, oldest first."""
    found = {beat for item in stretch.objects for beat in reader.header(item).heartbeats}
    return _inside(stretch, [(beat, stretch.timeline) for beat in found])


def _inside(stretch: Stretch, beats: Sequence[tuple[StoredBeat, int]]) -> list[StoredBeat]:
    return sorted(
        beat
        for beat, timeline in beats
        if timeline == stretch.timeline and stretch.start <= lsn.parse(beat.position) <= stretch.end
    )


def heartbeats_store(*, instance: Instance, beats: Sequence[tuple[StoredBeat, int]]) -> None:
    """Rows for heartbeats with their timelines; those that are there already stay."""
    Heartbeat.objects.bulk_create(
        [
            Heartbeat(instance=instance, at=beat.at, position=beat.position, timeline=timeline)
            for beat, timeline in beats
        ],
        ignore_conflicts=True,
        batch_size=500,
    )
