"""Between instants and positions of one line: only what heartbeats say, and how exactly. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import accumulate

from dataprotect.engine.timeline_model import Beat, Bracket, Line

MARGIN = timedelta(seconds=1)
"""Recovery to an instant needs a transaction after it, to know that it is there. The newest one that is
certain is the newest heartbeat's own, and the clock was read right after it, well within a second."""


class LineClock:
    """Readings along one line, by position. A server's clock may have been set back: what counts is the order
    of the log, for recovery ends before the first commit in it that is later than the target."""

    def __init__(self, line: Line, beats: Iterable[Beat]) -> None:
        self.line = line
        self._beats = sorted((beat for beat in beats if _on(line, beat)), key=lambda beat: beat.position)
        self._positions = [beat.position for beat in self._beats]
        self._latest = list(accumulate((beat.at for beat in self._beats), max))

    def of_instant(self, at: datetime) -> Bracket:
        """`high` is the first reading later than `at` in the order of the log, `low` the one before it."""
        index = bisect_right(self._latest, at)
        return Bracket(self._get(index - 1), self._get(index))

    def of_position(self, position: int) -> Bracket:
        """The readings right before (or at) and right after (or at) the position."""
        low = self._get(bisect_right(self._positions, position) - 1)
        return Bracket(low, self._get(bisect_left(self._positions, position)))

    def newest(self, start: int, end: int) -> datetime | None:
        """The latest instant read inside these positions."""
        first, last = bisect_left(self._positions, start), bisect_right(self._positions, end)
        return max((beat.at for beat in self._beats[first:last]), default=None)

    def _get(self, index: int) -> Beat | None:
        return self._beats[index] if 0 <= index < len(self._beats) else None


def _on(line: Line, beat: Beat) -> bool:
    leg = line.leg_of(beat.timeline)
    return leg is not None and leg.begin <= beat.position and (leg.end is None or beat.position <= leg.end)


def between(low: Beat | None, high: Beat | None, at: datetime) -> int | None:
    """The position expected at `at`, on a straight line between two readings; None where there is no two."""
    if low is None or high is None or high.at <= low.at:
        return None
    share = (at - low.at) / (high.at - low.at)
    return low.position + int((high.position - low.position) * min(1.0, max(0.0, share)))
