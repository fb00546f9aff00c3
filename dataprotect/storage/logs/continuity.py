"""Which log is stored without a break. Pure: from what names say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from dataprotect.storage.logs.model import LogObject


@dataclass(frozen=True, slots=True)
class Stretch:
    """Log of one timeline without a break, and what it is made of: `bytes` are stored bytes."""

    lineage: str
    system_identifier: str
    timeline: int
    start: int
    end: int
    objects: tuple[LogObject, ...]

    @property
    def bytes(self) -> int:
        return sum(item.size for item in self.objects)


def cover(items: Iterable[LogObject], start: int) -> list[LogObject]:
    """The fewest of `items` that cover the log from `start` on without a break; empty when none begins there.

    Two collectors may have cut slices at different places; what overlaps is equal, since log never changes.
    """
    left = sorted((item for item in items if item.end > start), key=lambda item: (item.start, -item.end))
    chosen: list[LogObject] = []
    reached, at = start, 0
    while True:
        best = None
        while at < len(left) and left[at].start <= reached:
            if left[at].end > reached and (best is None or left[at].end > best.end):
                best = left[at]
            at += 1
        if best is None:
            return chosen
        chosen.append(best)
        reached = best.end


def stretches(items: Iterable[LogObject]) -> list[Stretch]:
    """Every unbroken stretch by lineage, timeline and position."""
    logs = [item for item in items if item.kind != "history"]
    logs.sort(key=_line)
    found: list[Stretch] = []
    for _, group in groupby(logs, key=_line):
        found.extend(_of_one_line(sorted(group, key=lambda item: (item.start, item.end))))
    return found


def _line(item: LogObject) -> tuple[str, int]:
    return item.stream.lineage, item.timeline


def _of_one_line(items: Sequence[LogObject]) -> list[Stretch]:
    found, run, end = [], [items[0]], items[0].end
    for item in items[1:]:
        if item.start > end:
            found.append(_stretch(run, end))
            run = []
        run.append(item)
        end = max(end, item.end) if len(run) > 1 else item.end
    return [*found, _stretch(run, end)]


def _stretch(run: Sequence[LogObject], end: int) -> Stretch:
    first = run[0]
    return Stretch(
        first.stream.lineage, first.stream.system_identifier, first.timeline, first.start, end, tuple(run)
    )
