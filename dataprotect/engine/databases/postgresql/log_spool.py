"""Received log that is not stored yet: bounded, in files without a name, so a killed process leaves nothing.

What is lost with it the server still has, because nothing is acknowledged before the repository holds it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import wal_protocol
from dataprotect.engine.databases.postgresql.wal_protocol import Segment


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to ship: all of a segment, or the offsets `start` to `end` of an unfinished one."""

    kind: Literal["wal", "slice"]
    segment: Segment
    base: int
    start: int
    end: int

    def read(self, offset: int, length: int) -> bytes:
        """From the piece's own start."""
        return os.pread(self.segment.descriptor, length, self.start + offset)

    @property
    def position(self) -> int:
        """Where the log is stored up to once this piece is."""
        return self.base + self.end


class LogSpool:
    """One thread appends, another takes pieces in order. `stored`: up to there the repository has it already
    (it may lie inside the first segment, which is received again from its start).
    """

    def __init__(self, folder: Path, timeline: int, segment_size: int, stored: int, limit: int) -> None:
        self.timeline, self.segment_size = timeline, segment_size
        self.start = stored - stored % segment_size
        self.received, self.stored = self.start, stored
        self._folder, self._most = folder, max(2, limit // segment_size)
        self._held: deque[tuple[int, Segment]] = deque()
        self._changed = threading.Condition()

    @property
    def full(self) -> bool:
        """True when the repository is so far behind that no more should be received for now."""
        return len(self._held) > self._most

    @property
    def drained(self) -> bool:
        return self.stored >= self.received

    def append(self, payload: memoryview) -> None:
        """Keep what follows the received end. Raises `logs.spool` when the disk is full."""
        try:
            while payload:
                payload = payload[self._write(payload) :]
        except OSError as error:
            raise _spool_failed(self._folder, error) from error

    def next(self, *, slices: bool, wait: float) -> Piece | None:
        """The oldest complete segment; else, with `slices`, what came since the last slice; else None after
        `wait` seconds."""
        with self._changed:
            piece = self._ready(slices)
            if piece is None:
                self._changed.wait(wait)
                piece = self._ready(slices)
            return piece

    def done(self, piece: Piece) -> None:
        """The repository holds the piece."""
        with self._changed:
            self.stored = max(self.stored, piece.position)
            if piece.kind == "wal":
                _, segment = self._held.popleft()
                os.close(segment.descriptor)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of everything; only once no other thread uses it."""
        while self._held:
            os.close(self._held.popleft()[1].descriptor)

    def _write(self, payload: memoryview) -> int:
        offset = self.received % self.segment_size
        if offset == 0:
            fresh = wal_protocol.new_segment(self._folder, self.timeline, self.received, self.segment_size)
            with self._changed:
                self._held.append((self.received, fresh))
        segment = self._held[-1][1]
        written = os.pwrite(segment.descriptor, payload[: self.segment_size - offset], offset)
        with self._changed:
            self.received += written
            if self.received % self.segment_size == 0:
                self._changed.notify_all()
        return written

    def _ready(self, slices: bool) -> Piece | None:
        if not self._held:
            return None
        base, segment = self._held[0]
        if self.received >= base + self.segment_size:
            return Piece("wal", segment, base, 0, self.segment_size)
        if slices and self.received > self.stored:
            return Piece("slice", segment, base, max(self.stored - base, 0), self.received - base)
        return None


def _spool_failed(folder: Path, error: OSError) -> ForeseenError:
    return ForeseenError(
        "logs.spool",
        f"Received log could not be kept in the spool {folder} ({os.strerror(error.errno or 0)}).",
        "Make room on that disk, or let the spool be somewhere else; the server keeps the log meanwhile.",
        retry=True,
    )
