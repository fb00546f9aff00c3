"""Where a server really left each timeline. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate


def really_left(switches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(timeline, position it was left at) of a history file, oldest first, as a server reads it.

    A server that is restored along a timeline to a point before that timeline began still writes down both
    switches, and the later one is at the lower position. Nothing behind it is part of its past.
    """
    listed = list(switches)
    positions = accumulate((position for _, position in reversed(listed)), min)
    return [
        (timeline, position)
        for (timeline, _), position in zip(listed, reversed(list(positions)), strict=True)
    ]
