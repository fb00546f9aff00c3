"""Estimates as what they are: from the fastest to the slowest that was measured, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """One time that something was done: seconds, and bytes where they are known (0: unknown)."""

    seconds: float
    size: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds, at best and at worst; `low <= high`. `count`: how many measurements it rests on at least; 0
    for what is set and not measured.
    """

    low: float
    high: float
    count: int = 0

    def after(self, seconds: float) -> Span:
        """What is left of it once so many have passed; never less than nothing."""
        return Span(max(0.0, self.low - seconds), max(0.0, self.high - seconds), self.count)


def span(measured: Sequence[Measured], size: int = 0) -> Span | None:
    """How long it takes by what was measured; None where nothing was.

    With a `size` in bytes by rates, so that only measurements with bytes count; else by seconds.
    """
    if size > 0:
        times = [size * each.seconds / each.size for each in measured if each.size > 0]
    else:
        times = [each.seconds for each in measured]
    return Span(min(times), max(times), len(times)) if times else None


def total(spans: Iterable[Span | None]) -> Span | None:
    """One after the other; None as soon as one of them is not known."""
    known: list[Span] = []
    for each in spans:
        if each is None:
            return None
        known.append(each)
    counts = [each.count for each in known if each.count]
    return Span(sum(each.low for each in known), sum(each.high for each in known), min(counts, default=0))
