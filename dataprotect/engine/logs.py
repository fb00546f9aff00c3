"""Streaming an instance's log into a repository, whatever the engine: what it needs and what it tells.

Positions are the engine's own 64-bit byte positions, instants aware UTC, durations seconds.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.model import Source
from dataprotect.storage.logs import Heartbeat, LogWriter, Shipped

OpenWriter = Callable[[str, int, bool], LogWriter]
"""`open_writer(system identifier, segment size, went back)`."""

PERMANENT = frozenset({"logs.another_cluster", "repository.foreign_cluster"})
"""Codes after which trying again soon is pointless: a person has to look."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """`system_identifier` may be empty before the first contact. `spool_bytes` bound what waits on disk."""

    source: Source
    system_identifier: str
    spool: Path
    slice_seconds: float = 5.0
    heartbeat_seconds: float = 5.0
    spool_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class LogStatus:
    """Where a stream is. `exposure` is the age of the newest commit that is surely stored; None before
    anything is known. Slot facts are None until they were asked for.
    """

    timeline: int
    received: int
    shipped: int
    server_end: int
    exposure: float | None
    slot_status: str | None = None
    slot_retained: int | None = None
    others: tuple[str, ...] = ()
    """Further slots on the server that an installation of this program made."""
    problem: str = ""
    """Why heartbeats are missing, while the stream itself goes on."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """At the instant `at` of its own clock the server's log ended at `position` of `timeline`."""

    at: datetime
    position: int
    timeline: int
    system_identifier: str
    segment_size: int


@dataclass(frozen=True, slots=True)
class FoundGap:
    """Log that cannot be had any more, from the stored end to where the stream goes on."""

    timeline: int
    start: int
    end: int
    code: str
    reason: str


class LogListener(Protocol):
    """Told from several threads, one call at a time. Whatever a call raises ends the stream."""

    def started(self, *, timeline: int, position: int, slot: str, system_identifier: str) -> None:
        """The server is sending."""

    def shipped(self, shipped: Shipped) -> None:
        """The repository holds it durably."""

    def history(self, timeline: int, content: bytes, lineage: str) -> None:
        """A timeline's history is stored."""

    def status(self, status: LogStatus) -> None:
        """About every second."""

    def gap(self, gap: FoundGap) -> None: ...

    def base_needed(self, reason: str) -> None:
        """Nothing before this point can be rolled forward past it: a new full backup is needed."""


class LogStreamer(Protocol):
    """What an engine's `log_stream(request, open_writer, listener)` returns."""

    def run(self, stop: threading.Event) -> None:
        """Stream until `stop` is set; everything received by then is shipped first. Raises ForeseenError."""


@dataclass
class Exposure:
    """Ties instants to positions as they are seen, and says how old the newest surely stored commit is.

    Each mark says: what was durable on the server at that instant (in our clock) lies before that position.
    """

    _positions: list[int] = field(default_factory=list)
    _instants: list[float] = field(default_factory=list)
    _covered: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def mark(self, position: int, at: float, apart: float = 0.25) -> None:
        """Marks closer than `apart` seconds to the one before are left out."""
        with self._lock:
            if self._instants and at - self._instants[-1] < apart:
                return
            if self._positions and position < self._positions[-1]:
                self._positions.clear()
                self._instants.clear()
            self._positions.append(position)
            self._instants.append(at)

    def stored(self, position: int) -> None:
        """Everything before `position` is durable in the repository."""
        with self._lock:
            count = bisect_right(self._positions, position)
            if count:
                self._covered = max(self._covered or 0.0, self._instants[count - 1])
                del self._positions[:count], self._instants[:count]

    def seconds(self, now: float) -> float | None:
        """Age of the newest commit surely stored; None when nothing is known."""
        with self._lock:
            return None if self._covered is None else max(0.0, now - self._covered)


class Beats:
    """Heartbeats on their way into the headers of log objects, each into the first object that covers it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Heartbeat]] = []
        self._lock = threading.Lock()

    def add(self, beat: Heartbeat, position: int) -> None:
        with self._lock:
            self._waiting.append((position, beat))

    def until(self, position: int) -> tuple[Heartbeat, ...]:
        """Those before `position`; they stay until `forget`."""
        with self._lock:
            return tuple(beat for place, beat in self._waiting if place <= position)

    def forget(self, stored: Collection[Heartbeat]) -> None:
        """Those are in a header now. One that was added since `until` waits on, whatever its position."""
        with self._lock:
            self._waiting = [each for each in self._waiting if each[1] not in stored]


def another_cluster(source: Source, expected: str, found: str) -> ForeseenError:
    return ForeseenError(
        "logs.another_cluster",
        f"The server at {source.address.host}:{source.address.port} is the cluster {found}, and the log of "
        f"{source.name} is that of the cluster {expected}: nothing was streamed.",
        "Correct the instance's address, or register the other server as an instance of its own. When it "
        f"replaces the old one on purpose, run: manage.py accept_cluster {source.name} {found}",
    )


def log_stream(
    engine: str, request: LogRequest, open_writer: OpenWriter, listener: LogListener
) -> LogStreamer:
    """The stream of an instance of this engine. Raises InvalidInput for an engine that has none."""
    if engine == "postgresql":
        from dataprotect.engine.databases.postgresql.log_stream import PostgresLogStream

        return PostgresLogStream(request, open_writer, listener)
    raise _not_streamed(engine)


def log_end(engine: str, source: Source) -> LogEnd:
    """Have the server write something, and say where its log ends then. Raises connection errors,
    InvalidInput for an engine whose log is not streamed.
    """
    if engine == "postgresql":
        from dataprotect.engine.databases.postgresql import heartbeat

        return heartbeat.log_end(source.address)
    raise _not_streamed(engine)


def _not_streamed(engine: str) -> InvalidInput:
    return InvalidInput("engine", f"Logs of {engine!r} are not streamed by this version.")


def slot_name(engine: str, instance_id: str) -> str:
    """What keeps the instance's log on its server until it is stored."""
    from dataprotect.engine.databases.postgresql import slots

    return slots.name_for(instance_id) if engine == "postgresql" else ""
