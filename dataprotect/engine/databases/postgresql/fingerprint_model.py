"""The shapes of a fingerprint: what a source held at one position of its log. JSON both ways.

It names tables, columns and sampled key values, so it is stored encrypted only (inside the manifest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FORMAT = 1
Lines = dict[str, str]
"""Digest of the definition by the object's identity."""


@dataclass(frozen=True, slots=True)
class FingerprintOptions:
    """Bounds on what the fingerprint costs the source. Sizes in bytes, times in seconds."""

    exact_count_bytes: int = 1 << 30
    """Tables up to this size are counted exactly; above, the server's estimate is taken and labelled so."""
    content_bytes: int = 4 << 20
    """Tables up to this size are digested row by row as a whole, not only sampled."""
    samples_per_table: int = 200
    samples_in_all: int = 20_000
    max_connections: int = 50
    """One connection per database is open at once; databases beyond it are listed as skipped."""
    statement_seconds: float = 120.0
    lock_seconds: float = 3.0
    budget_seconds: float = 900.0
    """The source's horizon is held back no longer than this; what is left then is listed as skipped."""
    attempts: int = 10
    """How often a moment without a commit in the snapshots' blind spot is looked for."""
    maintenance_database: str = "postgres"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: the text of its key columns and the first 128 bits of its SHA-256, hex."""

    key: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class TableContent:
    """One table, partition or materialized view. `rows` is None when it was skipped, `skipped` says why."""

    schema: str
    name: str
    filenode: int
    size: int
    rows: int | None = None
    counted: Literal["exact", "estimated", "skipped"] = "exact"
    content: str | None = None
    key_columns: tuple[str, ...] = ()
    key_types: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    skipped: str | None = None

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class SequenceState:
    """`before` was read before the position, `after` behind it; both are `last_value`, not the next one."""

    schema: str
    name: str
    before: int
    after: int
    called: bool
    increment: int
    cache: int
    cycle: bool
    column: tuple[str, str, str] | None = None
    """Schema, table and column that the sequence feeds, when it is owned by one."""
    behind: bool | None = None
    """Whether the source's own data is ahead of the sequence; None when nobody looked."""

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DatabaseContent:
    """What one database held. `snapshot` is `pg_snapshot` text; `changing` are objects altered meanwhile."""

    name: str
    snapshot: str = ""
    schema: Mapping[str, Lines] = field(default_factory=dict)
    changing: tuple[str, ...] = ()
    tables: tuple[TableContent, ...] = ()
    sequences: tuple[SequenceState, ...] = ()
    large_objects: int | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`position`: recover to here, exclusively. `end_position`: the log must reach at least here for that."""

    position: str
    end_position: str
    next_transaction: int
    """No transaction that committed before the position has this 64-bit id or a later one."""
    timeline: int
    system_identifier: str
    server_version: str
    superuser: str
    """The name of the bootstrap superuser (role 10), the one that surely exists on a clone."""
    taken_at: str
    cluster: Mapping[str, Lines]
    databases: tuple[DatabaseContent, ...]
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    attempts: int = 1

    def as_json(self) -> dict[str, Any]:
        """JSON-ready plain data."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Fingerprint:
        """What `as_json` wrote. Raises ValueError for another format."""
        if plain.get("format") != FORMAT:
            raise ValueError(f"fingerprint of format {plain.get('format')!r}, expected {FORMAT}")
        fields = {name: value for name, value in plain.items() if name != "format"}
        fields["databases"] = tuple(_database(each) for each in plain["databases"])
        fields["warnings"] = tuple(plain["warnings"])
        return cls(**fields)


def _database(plain: Mapping[str, Any]) -> DatabaseContent:
    return DatabaseContent(
        **{
            **plain,
            "changing": tuple(plain["changing"]),
            "tables": tuple(_table(each) for each in plain["tables"]),
            "sequences": tuple(_sequence(each) for each in plain["sequences"]),
        }
    )


def _table(plain: Mapping[str, Any]) -> TableContent:
    return TableContent(
        **{
            **plain,
            "key_columns": tuple(plain["key_columns"]),
            "key_types": tuple(plain["key_types"]),
            "samples": tuple(Sample(tuple(each["key"]), each["digest"]) for each in plain["samples"]),
        }
    )


def _sequence(plain: Mapping[str, Any]) -> SequenceState:
    column = plain["column"]
    return SequenceState(**{**plain, "column": tuple(column) if column else None})
