"""Which stored segments and history files a recovery is given. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dataprotect.engine.timeline_model import Choice, Line
from dataprotect.storage.logs import LogObject, layout
from dataprotect.storage.logs.continuity import cover


@dataclass(frozen=True, slots=True)
class LogPlan:
    """`segments` in the order of replay; those that are not among them lie in the backup itself.

    needed  recovery will have ended before this position; `cut` hides any log behind `end`, which may have
            been stored since the choice was made
    """

    lineage: str
    timeline: int
    segment_size: int
    segments: tuple[str, ...]
    histories: tuple[int, ...]
    needed: int
    end: int
    cut: bool

    @property
    def bytes(self) -> int:
        return len(self.segments) * self.segment_size


def log_plan(choice: Choice, objects: Iterable[LogObject], end: int) -> LogPlan:
    """What leads from the base to `end` along the chosen line, as far as it is stored."""
    line, base = choice.line, choice.base
    mine = [item for item in objects if item.stream.lineage == line.lineage]
    size = mine[0].stream.segment_size if mine else 16 << 20
    stored = _ends(mine, size)
    segments = []
    for number in range(base.start_position // size, -(-end // size)):
        for timeline in _timelines(line, number, size):
            name = layout.segment_name(timeline, number * size, size)
            own = min(base.own_end, (number + 1) * size) if timeline == base.timeline else 0
            if name in stored and stored[name] >= own:
                segments.append(name)
                break
    there = {item.timeline for item in mine if item.kind == "history"}
    histories = tuple(leg.timeline for leg in line.legs if leg.timeline in there)
    return LogPlan(
        lineage=line.lineage,
        timeline=line.timeline,
        segment_size=size,
        segments=tuple(segments),
        histories=histories,
        needed=choice.log_end if choice.target.position is None else choice.target.position,
        end=choice.reach_end,
        cut=choice.ends_log,
    )


def _ends(objects: list[LogObject], size: int) -> dict[str, int]:
    """How far each segment is stored from its beginning on without a break."""
    pieces: dict[str, list[LogObject]] = {}
    for item in objects:
        if item.segment:
            pieces.setdefault(item.segment, []).append(item)
    ends = {}
    for name, items in pieces.items():
        chosen = cover(items, layout.segment_start(name, size))
        if chosen:
            ends[name] = chosen[-1].end
    return ends


def _timelines(line: Line, number: int, size: int) -> Iterator[int]:
    """In the order in which the server looks for a segment: the newest timeline that had begun by then."""
    for leg in reversed(line.legs):
        if number >= leg.begin // size:
            yield leg.timeline
