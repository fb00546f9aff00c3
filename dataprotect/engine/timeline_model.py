"""The shapes of recovery windows. Pure. Positions are numbers, instants aware UTC, sizes bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.model import BackupType

SEGMENT_SIZE = 16 << 20
TargetKind = Literal["time", "lsn", "name", "latest"]


class Beat(NamedTuple):
    """At the instant `at` of the server's clock its log ended at `position`."""

    at: datetime
    position: int
    timeline: int


class Switch(NamedTuple):
    """A line of a history file: `timeline` was left at `position`."""

    timeline: int
    position: int


@dataclass(frozen=True, slots=True)
class BackupPoint:
    """One backup. `own_end`: the log stored with it reaches to here, so that it stands alone.

    good  checked or better; others are no base
    """

    backup_id: str
    type: BackupType
    good: bool
    system_identifier: str
    timeline: int
    start_position: int
    stop_position: int
    own_end: int
    stopped_at: datetime


@dataclass(frozen=True, slots=True)
class Lineage:
    """An unbroken chain of log streams; a server that went back in its own log begins another one."""

    name: str
    system_identifier: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """Stored log of one timeline without a break."""

    lineage: str
    timeline: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class KnownGap:
    """Log that nobody can store any more, as it was noticed; `acknowledged` is who took note of it."""

    timeline: int
    start: int
    end: int
    code: str
    reason: str
    acknowledged: str = ""
    row: int | None = None
    """The row of the catalog, where there is one."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything windows are computed from. `histories` by lineage and timeline, oldest switch first."""

    backups: tuple[BackupPoint, ...] = ()
    lineages: tuple[Lineage, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    histories: Mapping[tuple[str, int], tuple[Switch, ...]] = field(default_factory=dict)
    beats: tuple[Beat, ...] = ()
    gaps: tuple[KnownGap, ...] = ()
    segment_size: int = SEGMENT_SIZE


class Leg(NamedTuple):
    """One timeline of a line: entered at `begin`, left at `end` (None: the line ends on it)."""

    timeline: int
    begin: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """A way through the timelines, oldest first. Positions only grow along it.

    rooted  False when the history of its timeline is not stored, so nobody knows what it came from
    """

    lineage: str
    system_identifier: str
    legs: tuple[Leg, ...]
    rooted: bool = True

    @property
    def timeline(self) -> int:
        return self.legs[-1].timeline

    def leg_of(self, timeline: int) -> Leg | None:
        return next((leg for leg in self.legs if leg.timeline == timeline), None)

    def timeline_at(self, position: int) -> int:
        """The timeline on which `position` lies; a switch itself belongs to the timeline it leaves."""
        return next(leg.timeline for leg in self.legs if leg.end is None or position <= leg.end)


@dataclass(frozen=True, slots=True)
class RecoveryWindow:
    """Any instant of it can be restored. A `point` is a backup alone: its own stop and nothing else.

    timeline   on which it ends; it may begin on an ancestor
    abandoned  the server went on along another timeline: this is what it left behind
    """

    start_at: datetime
    end_at: datetime
    start_position: int
    end_position: int
    timeline: int
    backup_ids: tuple[str, ...]
    point: bool
    abandoned: bool
    line: Line

    @property
    def positions(self) -> tuple[str, str]:
        return lsn.text(self.start_position), lsn.text(self.end_position)


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing between `start_at` and `end_at` can be restored. None: no clock ties that end to an instant."""

    start_at: datetime | None
    end_at: datetime | None
    start_position: int
    end_position: int
    timeline: int
    code: str
    reason: str
    acknowledged: str = ""
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a person wants: an instant, everything before a position, a restore point, or all there is."""

    kind: TargetKind
    at: datetime | None = None
    position: int | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.at is not None:
            return self.at.isoformat().replace("+00:00", "Z")
        if self.position is not None:
            return f"LSN {lsn.text(self.position)}"
        return f"the restore point {self.name!r}" if self.name else "the latest"


LATEST = Target("latest")


@dataclass(frozen=True, slots=True)
class Bracket:
    """What is known about where a target lies: between these two, each a clock reading with its position."""

    low: Beat | None
    high: Beat | None

    @property
    def seconds(self) -> float | None:
        """How far apart the two readings are; None when one is missing."""
        if self.low is None or self.high is None:
            return None
        return (self.high.at - self.low.at).total_seconds()


@dataclass(frozen=True, slots=True)
class Choice:
    """From which backup, along which line, up to where at most log is needed.

    log_end    recovery will have ended before it; `reach_end` is where the stored log itself ends
    ends_log   the target is the end of what is stored: recovery simply runs out of log there
    """

    target: Target
    base: BackupPoint
    line: Line
    window: RecoveryWindow
    log_end: int
    reach_end: int
    bracket: Bracket
    ends_log: bool
    lost_seconds: float | None
    """From the target to the newest instant known of; None where it cannot be said."""

    @property
    def replay_bytes(self) -> int:
        """Log between the base and the end of what may be needed."""
        return max(0, self.log_end - self.base.stop_position)
