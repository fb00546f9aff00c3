"""What every database engine offers, and the capabilities it declares (nobody asks an engine for its
name).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dataprotect.core.progress import Reporter
from dataprotect.engine.model import Address, BackupRequest, DatabaseInfo, Probe, Source

if TYPE_CHECKING:
    from dataprotect.storage.writer import BackupWriter


@dataclass(frozen=True, slots=True)
class Capabilities:
    """physical: backups are files of the server. readers: how it can be read, in order of preference.

    page_checksums: damage in the source is found while it is read. clones: a backup can be brought up
    isolated.
    """

    physical: bool
    readers: tuple[Literal["local", "streamed"], ...]
    page_checksums: bool
    clones: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an engine found out before it copies: `identity` is what the repository's ownership marker
    holds.
    """

    identity: str
    estimated_bytes: int
    reader: Literal["local", "streamed"]
    reader_reason: str
    server_version: str
    warnings: tuple[str, ...]
    details: Any
    """The engine's own findings, handed back to its `copy`."""
    base: Mapping[str, Any] | None = None
    """The facts of the backup that this one builds on; None for a full."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What an engine copied into the writer; `facts` go plain into the seal, so they name no data."""

    files: int
    bytes_read: int
    started_at: datetime
    stopped_at: datetime
    start_position: str
    stop_position: str
    fingerprint_position: str
    timeline: int
    facts: dict[str, Any] = field(default_factory=dict)
    bad_pages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Engine(Protocol):
    """One kind of database server. All methods raise ForeseenError for what a person can act on."""

    name: str
    capabilities: Capabilities

    def probe(self, source: Source) -> Probe:
        """Connect, look, change nothing."""

    def databases(self, address: Address) -> tuple[DatabaseInfo, ...]:
        """Every database one can connect to, templates left out."""

    def prepare(self, request: BackupRequest) -> Prepared:
        """Everything that can refuse a backup before anything is written."""

    def base_problem(self, request: BackupRequest, prepared: Prepared, base: Mapping[str, Any]) -> str | None:
        """Why a backup with the facts `base` cannot be built on now, in a sentence; None when it can."""

    def copy(
        self, request: BackupRequest, prepared: Prepared, writer: BackupWriter, reporter: Reporter
    ) -> Copied:
        """Write a consistent backup into `writer`. The caller seals or aborts it."""
