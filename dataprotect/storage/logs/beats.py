"""Heartbeats on their way from the slices of a segment into the complete one, which outlives them: without
them the newest instant that can be reached would move backwards each time a segment is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from dataprotect.storage.backends.base import ObjectMissing
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.logs.model import Heartbeat, LogHeader, LogObject

Item = TypeVar("Item")

MOST = 200
"""In one header: an idle server takes days to fill a segment, and beats all the while."""


def of_slices(
    slices: Sequence[LogObject],
    known: Mapping[str, Sequence[Heartbeat]],
    header: Callable[[LogObject], LogHeader],
) -> list[Heartbeat]:
    """Those of the slices, by name in `known` or, at most MOST slices, read out of their headers. One that is
    damaged or gone tells nothing: the segment that takes its place is whole without it.
    """
    found = [beat for item in slices for beat in known.get(item.name, ())]
    for item in _thinned([item for item in slices if item.name not in known]):
        with suppress(ObjectMissing, DamagedObject):
            found += header(item).heartbeats
    return found


def joined(beats: Iterable[Heartbeat]) -> tuple[Heartbeat, ...]:
    """Each once, oldest first; at most MOST, evenly spread, the newest among them."""
    return tuple(_thinned(sorted(set(beats))))


def _thinned(ordered: Sequence[Item]) -> Sequence[Item]:
    step = -(-len(ordered) // MOST) or 1
    return ordered[::-1][::step][::-1]
