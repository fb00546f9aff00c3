"""Recovery windows: to which instants an instance can be restored, and why not to the others. Pure.

A window is a stretch of log without a break behind a good backup, followed through the switches of
timelines. A backup without log is a window of its own: a point. Between windows lie gaps, with reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dataprotect.engine.timeline_clock import MARGIN, LineClock
from dataprotect.engine.timeline_gaps import gaps_along, gaps_between
from dataprotect.engine.timeline_lines import Span, coverage, diverges_at, lineage_of, lines, reach
from dataprotect.engine.timeline_model import (
    BackupPoint,
    Beat,
    Choice,
    Facts,
    Gap,
    Line,
    Lineage,
    RecoveryWindow,
    Target,
)
from dataprotect.engine.timeline_targets import Nearest, Reach, choose, nearest

__all__ = ["RecoveryWindows", "recovery_windows"]

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RecoveryWindows:
    """`windows` and `gaps` by time. What a target needs is asked of the methods."""

    windows: tuple[RecoveryWindow, ...]
    gaps: tuple[Gap, ...]
    reaches: tuple[Reach, ...]

    def choose_base(self, target: Target) -> Choice:
        """The newest good backup from which unbroken log leads to the target.

        A line that the server still follows goes before an abandoned one. Raises `target.outside`, naming the
        nearest possible instants; `target.no_window`.
        """
        return choose(self.reaches, target)

    def nearest(self, target: Target) -> Nearest:
        """The last possible instant before the target, and the first one after it."""
        return nearest(self.windows, target)


def recovery_windows(facts: Facts) -> RecoveryWindows:
    """Compute windows and gaps. Nothing is looked up; the same facts always give the same answer."""
    windows: list[RecoveryWindow] = []
    gaps: list[Gap] = []
    reaches: list[Reach] = []
    for epoch, (lineage, backups) in enumerate(_lineages(facts)):
        done: list[Line] = []
        for line in lines(facts, lineage, backups):
            own_from = diverges_at(line, done)
            if own_from is None:
                continue
            part = _along(facts, line, backups, own_from, epoch, abandoned=bool(done) and own_from > 0)
            windows += part.windows
            reaches += part.reaches
            gaps += part.gaps if not (done and own_from) else []
            done.append(line)
    windows.sort(key=lambda window: (window.start_at, window.end_at, window.timeline))
    gaps += gaps_between(windows)
    gaps.sort(key=lambda gap: (gap.start_at or _NEVER, gap.start_position))
    return RecoveryWindows(tuple(windows), tuple(gaps), tuple(reaches))


@dataclass(frozen=True, slots=True)
class _Part:
    windows: list[RecoveryWindow]
    gaps: list[Gap]
    reaches: list[Reach]


def _lineages(facts: Facts) -> Iterable[tuple[Lineage, list[BackupPoint]]]:
    """Oldest first, each with its backups; those of a cluster without any log get a lineage of their own."""
    mine: dict[Lineage, list[BackupPoint]] = {lineage: [] for lineage in facts.lineages}
    for backup in facts.backups:
        lineage = lineage_of(facts, backup) or Lineage("", backup.system_identifier, _NEVER)
        mine.setdefault(lineage, []).append(backup)

    def newest(item: tuple[Lineage, list[BackupPoint]]) -> tuple[datetime, str]:
        lineage, backups = item
        return max([lineage.started_at, *(each.stopped_at for each in backups)]), lineage.name

    return sorted(mine.items(), key=newest)


def _along(
    facts: Facts, line: Line, backups: Sequence[BackupPoint], own_from: int, epoch: int, *, abandoned: bool
) -> _Part:
    """Windows of one line beyond `own_from`, where it left the lines looked at before."""
    covered = coverage(line, facts.stretches, facts.segment_size)
    good = [(each, reach(line, each, covered)) for each in backups if each.good]
    ends = [(each, end) for each, end in good if end is not None and end >= own_from]
    if abandoned:
        ends = [(each, end) for each, end in ends if end > own_from]
    clock = LineClock(line, [*_beats_of(facts, line), *(_tie(each) for each, _ in ends)])
    windows, reaches = [], []
    for end in sorted({end for _, end in ends}):
        bases = sorted(
            (each for each, its_end in ends if its_end == end), key=lambda each: each.stop_position
        )
        starts = [_start_at(clock, each, own_from) for each in bases]
        joined = any(a <= end <= b for a, b in covered)
        window = _window(line, clock, bases, min(starts), (max(bases[0].stop_position, own_from), end))
        window = replace(window, abandoned=abandoned, point=not joined)
        windows.append(window)
        reaches += [
            Reach(base, start_at, end, line, clock, window, epoch)
            for base, start_at in zip(bases, starts, strict=True)
        ]
    return _Part(windows, gaps_along(facts, line, clock, windows, covered), reaches)


def _window(
    line: Line, clock: LineClock, bases: Sequence[BackupPoint], start_at: datetime, span: Span
) -> RecoveryWindow:
    """Backups that reach the same end share a window."""
    newest = clock.newest(*span)
    return RecoveryWindow(
        start_at=start_at,
        end_at=start_at if newest is None else max(start_at, newest - MARGIN),
        start_position=span[0],
        end_position=span[1],
        timeline=line.timeline_at(span[1]),
        backup_ids=tuple(each.backup_id for each in bases),
        point=False,
        abandoned=False,
        line=line,
    )


def _start_at(clock: LineClock, backup: BackupPoint, own_from: int) -> datetime:
    """When the backup's stop was passed for certain, even where its worker's clock is behind the server's."""
    if own_from > backup.stop_position:
        bracket = clock.of_position(own_from)
        beat = bracket.high or bracket.low
        return beat.at if beat is not None else backup.stopped_at
    read = clock.newest(0, backup.stop_position)
    return max(backup.stopped_at, read) if read is not None else backup.stopped_at


def _tie(backup: BackupPoint) -> Beat:
    """A backup's own stop ties an instant to a position as well."""
    return Beat(backup.stopped_at, backup.stop_position, backup.timeline)


def _beats_of(facts: Facts, line: Line) -> Iterable[Beat]:
    """Those read while the line's lineage was the one being collected."""
    starts = sorted(each.started_at for each in facts.lineages)
    mine = next((each.started_at for each in facts.lineages if each.name == line.lineage), None)
    if mine is None:
        return ()
    after = [start for start in starts if start > mine]
    first = starts[0] == mine
    return (beat for beat in facts.beats if (first or beat.at >= mine) and (not after or beat.at < after[0]))
