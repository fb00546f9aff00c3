"""The messages of a log stream (PostgreSQL's documentation, Streaming Replication Protocol), and the
files that received segments wait in.
"""

from __future__ import annotations

import os
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.storage.logs.layout import segment_name

_POSTGRES_EPOCH = 946_684_800
_WAL_DATA = struct.Struct(">cQQq")
_KEEPALIVE = struct.Struct(">cQqB")
_STATUS = struct.Struct(">cQQQqB")


@dataclass(frozen=True, slots=True)
class WalData:
    """Log from `start`. `server_end` is how far the server's log was flushed at `sent_at` (its clock, seconds
    since 1970)."""

    start: int
    server_end: int
    sent_at: float
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Keepalive:
    """`reply`: the server wants to hear from us now."""

    server_end: int
    sent_at: float
    reply: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A received segment of full size, its end zero where the log ended. Whoever takes it closes
    `descriptor`.
    """

    name: str
    size: int
    descriptor: int


def parse(message: memoryview) -> WalData | Keepalive:
    """A message of the copy stream."""
    if message[0] == ord("w"):
        _, start, end, sent = _WAL_DATA.unpack_from(message)
        return WalData(start, end, _unix(sent), message[_WAL_DATA.size :])
    _, end, sent, reply = _KEEPALIVE.unpack_from(message)
    return Keepalive(end, _unix(sent), bool(reply))


def status(written: int, flushed: int) -> bytes:
    """A standby status update. What is `flushed` the server may remove once no slot needs it."""
    now = int((time.time() - _POSTGRES_EPOCH) * 1_000_000)
    return _STATUS.pack(b"r", written, flushed, 0, now, 0)


def start_command(slot: str, position: int, timeline: int) -> str:
    return f"START_REPLICATION SLOT {slot} PHYSICAL {lsn.text(position)} TIMELINE {timeline}"


def new_segment(spool: Path, timeline: int, position: int, segment_size: int) -> Segment:
    """An empty segment in a file without a name: nothing is left of it, whatever kills this process."""
    with tempfile.TemporaryFile(dir=spool, buffering=0) as file:
        os.ftruncate(file.fileno(), segment_size)
        return Segment(segment_name(timeline, position, segment_size), segment_size, os.dup(file.fileno()))


def _unix(microseconds: int) -> float:
    return _POSTGRES_EPOCH + microseconds / 1_000_000
