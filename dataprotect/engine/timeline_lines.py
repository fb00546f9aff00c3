"""Ways through timelines, and which part of each is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataprotect.engine.timeline_model import BackupPoint, Facts, Leg, Line, Lineage, Stretch, Switch
from dataprotect.engine.timeline_switches import really_left

Span = tuple[int, int]


def lineage_of(facts: Facts, backup: BackupPoint) -> Lineage | None:
    """The log that was being collected when the backup ended; before any was, the first that followed."""
    mine = sorted(
        (each for each in facts.lineages if each.system_identifier == backup.system_identifier),
        key=lambda each: (each.started_at, each.name),
    )
    begun = [each for each in mine if each.started_at <= backup.stopped_at]
    return begun[-1] if begun else next(iter(mine), None)


def lines(facts: Facts, lineage: Lineage, backups: Sequence[BackupPoint]) -> list[Line]:
    """One line per timeline that has log or a backup; the one where the server is, or was last, first."""
    timelines = {each.timeline for each in facts.stretches if each.lineage == lineage.name}
    timelines |= {each.timeline for each in backups}
    last = _taken_back_to(facts, lineage)
    inorder = sorted(timelines, key=lambda timeline: (timeline == last, timeline), reverse=True)
    return [_line(facts, lineage, timeline) for timeline in inorder]


def _taken_back_to(facts: Facts, lineage: Lineage) -> int | None:
    """The timeline on which the next lineage goes on where this one's log lies; None when there is none.

    A restore of the whole server that is taken back leaves the highest timeline, where it was meanwhile.
    """
    later = [
        each
        for each in facts.lineages
        if each.system_identifier == lineage.system_identifier and each.started_at > lineage.started_at
    ]
    following = min(later, key=lambda each: each.started_at, default=None)
    if following is None:
        return None
    theirs = [each for each in facts.stretches if each.lineage == following.name]
    first = min(theirs, key=lambda each: (each.timeline, each.start), default=None)
    if first is None:
        return None
    mine = [each for each in facts.stretches if each.lineage == lineage.name]
    shared = (each.timeline == first.timeline and each.start <= first.start <= each.end for each in mine)
    return first.timeline if any(shared) else None


def _line(facts: Facts, lineage: Lineage, timeline: int) -> Line:
    switches: Sequence[Switch] = facts.histories.get((lineage.name, timeline), ())
    legs, begin = [], 0
    for each, left in really_left(switches):
        if begin < left:
            legs.append(Leg(each, begin, left))
        begin = left
    rooted = bool(switches) or timeline == 1
    legs.append(Leg(timeline, begin, None))
    return Line(lineage.name, lineage.system_identifier, tuple(legs), rooted)


def diverges_at(line: Line, others: Iterable[Line]) -> int | None:
    """The position from which `line` is on its own; 0 when it shares nothing, None when it is a mere part."""
    position = 0
    for other in others:
        for mine, theirs in zip(line.legs, other.legs, strict=False):
            if (mine.timeline, mine.begin) != (theirs.timeline, theirs.begin):
                break
            ends = [end for end in (mine.end, theirs.end) if end is not None]
            if not ends:
                return None
            position = max(position, min(ends))
    return position


def coverage(line: Line, stretches: Iterable[Stretch], segment_size: int) -> list[Span]:
    """Which positions of the line are stored, in order, apart from one another.

    The first segment of a timeline begins with a copy of its parent's end. Recovery reads that file, so the
    end of the parent's own log may be missing.
    """
    spans = []
    for stretch in stretches:
        leg = line.leg_of(stretch.timeline) if stretch.lineage == line.lineage else None
        if leg is not None:
            start = max(_usable_start(stretch, segment_size), leg.begin - leg.begin % segment_size)
            end = stretch.end if leg.end is None else min(stretch.end, leg.end)
            if start < end:
                spans.append((start, end))
    return merged(spans)


def _usable_start(stretch: Stretch, segment_size: int) -> int:
    """A segment whose beginning is missing cannot be read."""
    return -(-stretch.start // segment_size) * segment_size


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same positions with touching spans joined."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def reach(line: Line, backup: BackupPoint, covered: Sequence[Span]) -> int | None:
    """How far recovery from this backup gets along the line; None when the line does not lead through it."""
    leg = line.leg_of(backup.timeline)
    if leg is None or backup.stop_position < leg.begin:
        return None
    if leg.end is not None and backup.stop_position > leg.end:
        return None
    own_end = backup.own_end if leg.end is None else min(backup.own_end, leg.end)
    return next((end for start, end in covered if start <= own_end <= end), own_end)
