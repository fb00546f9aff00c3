"""What the rules judge. Instants are aware UTC, durations seconds, sizes bytes; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FailedBackup:
    """The newest attempt that failed."""

    at: datetime
    message: str
    job: UUID


@dataclass(frozen=True, slots=True)
class FailedInstant:
    """The newest test of an instant, as long as it did not pass."""

    at: datetime
    message: str
    job: UUID


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    key: int
    name: str
    created_at: datetime
    rpo_seconds: int
    rto_seconds: int
    last_good_at: datetime | None = None
    """When the newest good backup ended."""
    recoverable_at: datetime | None = None
    """The newest instant that can be restored, by backup or by log; None means `last_good_at`."""
    failed_backup: FailedBackup | None = None
    failed_instant: FailedInstant | None = None
    test_passed: bool | None = None
    tested_at: datetime | None = None
    measured_rto: float | None = None
    measured_at: datetime | None = None
    probe_problem: str = ""
    probed_at: datetime | None = None
    clock_skew: float | None = None

    @property
    def subject(self) -> str:
        return f"instance:{self.key}"


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """A backup that is damaged or missing."""

    backup_id: str
    instance: str
    state: str
    since: datetime
    found: str = ""
    """What the verification that said so found, naming objects."""


@dataclass(frozen=True, slots=True)
class SizeFacts:
    """A new backup, and the read sizes of the ones before it of the same type, newest first."""

    backup_id: str
    instance_key: int
    instance: str
    type: str
    bytes_read: int
    before: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DueFacts:
    """The newest run of one kind that was due, as long as it has not succeeded."""

    instance_key: int
    instance: str
    kind: str
    """In words: `Full backup`."""
    due_at: datetime
    late_after_seconds: float
    missed: int = 0
    """Earlier occurrences that this one stands for."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class GapFacts:
    """Log that is missing and that nobody acknowledged."""

    key: int
    instance_key: int
    instance: str
    from_position: str
    to_position: str
    reason: str


@dataclass(frozen=True, slots=True)
class CollectorFacts:
    instance_key: int
    instance: str
    rpo_seconds: int
    wanted: bool
    failures: int = 0
    last_error: str = ""
    last_shipped_at: datetime | None = None
    lag_seconds: float | None = None
    slot_name: str = ""
    slot_status: str = ""
    slot_retained_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class UsageSample:
    at: datetime
    stored_bytes: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    key: int
    name: str
    unreachable: bool = False
    problem: str = ""
    free_bytes: int | None = None
    stored_bytes: int = 0
    history: tuple[UsageSample, ...] = ()
    """Ascending."""
    oldest_read_at: datetime | None = None
    """No stored object was read longer ago than this; None while nothing is stored."""


@dataclass(frozen=True, slots=True)
class WorkFacts:
    """The installation itself."""

    stop_reason: str | None = None
    key_problem: str = ""
    silent_workers: tuple[tuple[str, datetime], ...] = ()
    """Machines that worked lately and do not answer any more, with when they were last heard of."""
    swept_at: datetime | None = None
    waiting_since: datetime | None = None
    """When the oldest job was queued that nothing but a free worker holds up."""
    waiting: int = 0
