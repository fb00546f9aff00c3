"""Names of stored logs, and what they say without being opened. Pure.

A segment's name is 24 hex digits, eight each for the timeline and the two halves of its number. How many
segments make up 4 GiB, and so the number, depends on the segment size, which the stream's document holds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dataprotect.storage.logs.model import LogKind

STREAM = "stream.json"
_NAME = re.compile(
    r"(?P<segment>[0-9A-F]{24})(\.(?P<start>[0-9a-f]{8})-(?P<end>[0-9a-f]{8}))?|(?P<history>[0-9A-F]{8})\.history"
)
_SEGMENT = re.compile(r"[0-9A-F]{24}")


class Named(NamedTuple):
    """`start` and `end` are positions in the log; 0 for a history."""

    kind: LogKind
    segment: str
    timeline: int
    start: int
    end: int


def logs_folder(instance_id: str) -> str:
    return f"{instance_id}/logs/"


def stream_folder(instance_id: str, stream_id: str) -> str:
    return f"{instance_id}/logs/{stream_id}/"


def segment_name(timeline: int, position: int, segment_size: int) -> str:
    """The name of the segment that holds `position`."""
    number = position // segment_size
    per_file = (1 << 32) // segment_size
    return f"{timeline:08X}{number // per_file:08X}{number % per_file:08X}"


def is_segment(name: str) -> bool:
    return bool(_SEGMENT.fullmatch(name))


def segment_timeline(segment: str) -> int:
    return int(segment[:8], 16)


def segment_start(segment: str, segment_size: int) -> int:
    """The position of the segment's first byte."""
    return (int(segment[8:16], 16) << 32) + int(segment[16:], 16) * segment_size


def slice_name(segment: str, start: int, end: int) -> str:
    """`start` and `end` are offsets inside the segment."""
    return f"{segment}.{start:08x}-{end:08x}"


def history_name(timeline: int) -> str:
    return f"{timeline:08X}.history"


def parse(name: str, segment_size: int) -> Named | None:
    """What the object called `name` (without folders) covers; None when it is no log."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    if found["history"]:
        return Named("history", "", int(found["history"], 16), 0, 0)
    segment = found["segment"]
    begin, timeline = segment_start(segment, segment_size), segment_timeline(segment)
    if found["start"] is None:
        return Named("wal", segment, timeline, begin, begin + segment_size)
    start, end = int(found["start"], 16), int(found["end"], 16)
    if not start < end <= segment_size:
        return None
    return Named("slice", segment, timeline, begin + start, begin + end)


def position_text(position: int) -> str:
    """As the server writes it: `1A/2B3C4D5E`."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
