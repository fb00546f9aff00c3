"""The shapes of stored logs. Positions are 64-bit byte positions in the server's log, sizes bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from dataprotect.core.clock import iso, parse_iso
from dataprotect.core.errors import ForeseenError

LogKind = Literal["wal", "slice", "history"]

ReadPlain = Callable[[int, int], bytes]
"""`read(offset, length)`: exactly that part of what is being shipped."""


class Heartbeat(NamedTuple):
    """At the instant `at` of the server's clock its log ended at `position` (text, `0/5F3A2C8`)."""

    at: datetime
    position: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One stretch of shipping under one data key. `lineage` is the first stream of an unbroken chain of
    them: a server that went back in its own log begins a new lineage, whose segments may bear old names.
    """

    stream_id: str
    lineage: str
    engine: str
    system_identifier: str
    data_key_id: str
    started_at: datetime
    segment_size: int


@dataclass(frozen=True, slots=True)
class LogObject:
    """A stored object, all from its name: `segment` is empty for a history. `start` and `end` are the
    positions it covers (both 0 for a history), `size` its stored bytes, `name` relative to the repository.
    """

    stream: Stream
    name: str
    kind: LogKind
    segment: str
    timeline: int
    start: int
    end: int
    size: int


@dataclass(frozen=True, slots=True)
class LogHeader:
    """The first frame of a log object: what it holds, and the digest of its plain bytes."""

    kind: LogKind
    segment: str
    timeline: int
    start: str
    end: str
    heartbeats: tuple[Heartbeat, ...]
    shipped_at: datetime
    sha256: str

    def plain(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "segment": self.segment,
            "timeline": self.timeline,
            "start": self.start,
            "end": self.end,
            "heartbeats": [[iso(beat.at), beat.position] for beat in self.heartbeats],
            "shipped_at": iso(self.shipped_at),
            "sha256": self.sha256,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> LogHeader:
        """Raises KeyError, TypeError, ValueError when it is no header."""
        return cls(
            kind=document["kind"],
            segment=str(document["segment"]),
            timeline=int(document["timeline"]),
            start=str(document["start"]),
            end=str(document["end"]),
            heartbeats=tuple(Heartbeat(parse_iso(at), str(place)) for at, place in document["heartbeats"]),
            shipped_at=parse_iso(document["shipped_at"]),
            sha256=str(document["sha256"]),
        )


@dataclass(frozen=True, slots=True)
class Shipped:
    """What the repository now holds durably. `stored` is 0 when the identical object was there already."""

    kind: LogKind
    lineage: str
    timeline: int
    start: int
    end: int
    stored: int
    heartbeats: tuple[Heartbeat, ...] = ()
    removed: int = 0
    """Stored bytes of the slices that a complete segment replaced, and their number."""
    removed_objects: int = 0


class DifferentLog(ForeseenError):
    """Other bytes are stored under the name already: the server is not where it was, or not the one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "logs.different",
            f"The repository already holds another content under the name {name}.",
            "Check whether the server was put back to an older state, or another one writes in its name.",
        )


class MissingLog(ForeseenError):
    def __init__(self, segment: str, found: str = "") -> None:
        super().__init__(
            "logs.missing",
            f"The log segment {segment} is not in the repository{found}.",
            "Choose an instant inside a recovery window; the gap is listed with its reason.",
        )
