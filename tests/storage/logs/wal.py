"""Log of a made-up server with tiny segments, and the writer that ships it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dataprotect.storage.logs import Heartbeat, LogWriter, Shipped
from dataprotect.storage.logs.layout import segment_name
from dataprotect.storage.repository import Repository
from tests.storage.trees import INSTANCE, SYSTEM

SIZE = 8192
BEAT = Heartbeat(datetime(2026, 11, 22, 15, 0, tzinfo=UTC), "0/2001")


def plain(number: int, timeline: int = 1) -> bytes:
    """The bytes of segment `number`: never the same twice."""
    seed = f"{timeline}/{number}".encode()
    return b"".join(hashlib.sha256(seed + bytes([block])).digest() for block in range(SIZE // 32))


def name(number: int, timeline: int = 1) -> str:
    return segment_name(timeline, number * SIZE, SIZE)


def writer(repository: Repository, **more) -> LogWriter:
    more = {"system_identifier": SYSTEM, "segment_size": SIZE} | more
    return LogWriter.open(repository, INSTANCE, **more)


def beat(second: int) -> Heartbeat:
    return Heartbeat(BEAT.at + timedelta(seconds=second), BEAT.position)


def ship(
    out: LogWriter, number: int, data: bytes | None = None, timeline: int = 1,
    beats: Sequence[Heartbeat] = (BEAT,),
) -> Shipped:  # fmt: skip
    whole = plain(number, timeline) if data is None else data
    return out.ship_segment(name(number, timeline), lambda at, length: whole[at : at + length], beats)


def ship_slice(
    out: LogWriter, number: int, start: int, end: int, data: bytes | None = None,
    beats: Sequence[Heartbeat] = (BEAT,),
) -> Shipped:  # fmt: skip
    part = plain(number)[start:end] if data is None else data
    return out.ship_slice(name(number), start, end, lambda at, length: part[at : at + length], beats)
