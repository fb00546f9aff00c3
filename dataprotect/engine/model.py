"""The frozen shapes that services hand to the engine and get back from it.

Sizes are bytes, durations seconds, instants aware UTC, positions the engine's own text (`0/5F3A2C8`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from dataprotect.core.secrets import Secret

TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
Reader = Literal["auto", "local", "streamed"]
BackupType = Literal["full", "differential", "incremental"]


@dataclass(frozen=True, slots=True)
class Tls:
    """How the connection is protected; the paths are files on the worker."""

    mode: TlsMode = "prefer"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to enter it. `host` may be the path of a Unix-socket directory."""

    host: str
    port: int
    user: str
    password: Secret | None = None
    database: str = "postgres"
    tls: Tls = Tls()


@dataclass(frozen=True, slots=True)
class Source:
    """A protected instance as the engine sees it."""

    instance_id: str
    name: str
    address: Address
    data_directory: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the catalog says about it (environment, tier, region): kept, encrypted, in every backup, so that a
    rebuilt catalog knows it again. Never a secret."""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    name: str
    size_bytes: int
    tables: int | None
    safe_name: bool
    """False when the name may be backed up and shown but never typed (core.validation)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a connection test found."""

    engine: str
    version: str
    version_number: int
    system_identifier: str
    encrypted: bool
    tls_protocol: str | None
    data_directory: str | None
    data_directory_readable: bool
    data_checksums: bool
    in_recovery: bool
    timeline: int
    position: str
    size_bytes: int
    databases: tuple[DatabaseInfo, ...]
    clock_skew_seconds: float
    warnings: tuple[str, ...] = ()
    """Sentences: missing rights, readers that will not work, extensions of note."""


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """`backup_id` "" means: make one that says what was taken."""

    source: Source
    backup_id: str
    type: BackupType = "full"
    reader: Reader = "auto"
    threads: int = 2
    compression_level: int = 3
    exact_count_bytes: int = 1 << 30
    """Tables up to this size are counted exactly for the fingerprint; larger ones are estimated, labelled."""
    base_id: str = ""
    """The backup a differential or incremental one is to build on; "" when whoever asks found none."""
    base_reason: str = ""
    """Why there is none, in a sentence."""
    chain_limit: int = 30
    """A backup never depends on more than this many others; the next one is a full."""
    spool: Path = Path("/tmp")  # noqa: S108  services always pass their own; this is for the bare engine


@dataclass(frozen=True, slots=True)
class BackupResult:
    backup_id: str
    type: BackupType
    reader: Literal["local", "streamed"]
    reader_reason: str
    files: int
    bytes_read: int
    bytes_stored: int
    seconds: float
    started_at: datetime
    stopped_at: datetime
    start_position: str
    stop_position: str
    timeline: int
    system_identifier: str
    server_version: str
    peak_memory: int
    fingerprint_position: str
    base_id: str = ""
    """The backup this one was compared with; "" for a full."""
    type_reason: str = ""
    """Why this is a full although another type was asked for, in a sentence."""
    bad_pages: tuple[str, ...] = ()
    """`base/16384/2619 (public.orders) block 7`: pages whose checksum was wrong twice."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a verification looked at. `passed` None means not applicable, `found` says why."""

    name: str
    passed: bool | None
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    level: Literal["checksum", "decode", "restore"]
    passed: bool
    checks: tuple[Check, ...]
    seconds: float
    started_at: datetime
    finished_at: datetime
    rto_seconds: float | None = None
    """Restore level only: from the first byte fetched to a server that answered and was compared."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds per part: fetch, recovery, compare, cleanup."""
    bytes_read: int = 0
    bytes_replayed: int = 0
    """Restore level only: log between the backup's start and where the clone ended; `recovery` took it in."""


@dataclass(frozen=True, slots=True)
class Clone:
    """An isolated instance brought up from a backup. The DSN goes through a private socket only."""

    clone_id: str
    dsn: str
    data_directory: Path
    socket_directory: Path
    port: int
    pid: int
    reached_position: str
    timings: Mapping[str, float] = field(default_factory=dict)
    reached_at: datetime | None = None
    """Commit time of the last transaction that was replayed, in the server's words; None when none was."""
    reached_reason: str = ""
    """The server's words for why it ended there, such as `before 2026-11-22 15:07:58.2+00`."""


def as_plain(value: Any) -> dict[str, Any]:
    """A dataclass of this module as JSON-ready plain data (paths and instants as text)."""

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        if isinstance(item, (list, tuple)):
            return [plain(inner) for inner in item]
        if isinstance(item, Path):
            return str(item)
        return item.isoformat() if isinstance(item, datetime) else item

    result = plain(asdict(value))
    assert isinstance(result, dict)  # noqa: S101
    return result
