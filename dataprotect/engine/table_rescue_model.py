"""What a table rescue is asked for and what it answers, as frozen shapes.

The *source* is a clone that stands at the chosen instant, the *target* the live database. Rows are told apart
by their key: the primary key, else a unique index over columns that are never null, else (no key) by a
digest of the whole row and its occurrence. Values are text, as the server prints them in UTC and ISO dates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from dataprotect.engine.model import Address, Check

Mode = Literal["beside", "merge", "rows", "replace"]
"""`beside`: load into a new table, nothing live is touched. `merge`: insert the rows that are missing.
`rows`: put chosen rows back as they were. `replace`: the table's content becomes the clone's."""
Triggers = Literal["disabled", "fire"]
"""Whether the table's own triggers stay asleep while rows are written. Foreign keys hold either way."""
Difference = Literal["missing", "changed", "extra"]
"""Seen from the clone: not in the live table, there but different, or only in the live table."""
State = Literal["none", "running", "done", "undone"]
Key = tuple[str, ...]
Values = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """Exactly as the catalog spells it, never folded or quoted."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class RescueSource:
    """A clone (`engine.model.Clone.dsn`, its private socket) and the database inside it."""

    dsn: str
    database: str


@dataclass(frozen=True, slots=True)
class RescueTarget:
    """The live server, entered with the instance's restore account, and the database inside it."""

    address: Address
    database: str


@dataclass(frozen=True, slots=True)
class Column:
    """`source_type` or `target_type` is None where the column is not there. `identity`: always, by default
    or empty."""

    name: str
    source_type: str | None
    target_type: str | None
    generated: bool = False
    identity: str = ""

    @property
    def difference(self) -> Literal["", "dropped", "added", "retyped"]:
        """What happened to it since the instant."""
        if self.target_type is None:
            return "dropped"
        if self.source_type is None:
            return "added"
        return "" if self.source_type == self.target_type else "retyped"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A constraint of the live database: `columns` of `table` refer to `referenced_columns` of
    `referenced`. `on_delete`: no action, restrict, cascade, set null or set default."""

    name: str
    table: TableName
    columns: tuple[str, ...]
    referenced: TableName
    referenced_columns: tuple[str, ...]
    on_delete: str
    deferrable: bool


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table on both sides, and what speaks against rescuing it in the mode that was asked about."""

    name: TableName
    kind: str
    """`table`, `partitioned table`, or what else stands there under this name (`view`, …); empty: nothing."""
    in_source: bool
    in_target: bool
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    key_name: str = ""
    """The index the key comes from; empty for a table without one."""
    refers_to: tuple[ForeignKey, ...] = ()
    referred_by: tuple[ForeignKey, ...] = ()
    triggers: tuple[str, ...] = ()
    """Enabled triggers of the users' own, by name."""
    sequences: tuple[str, ...] = ()
    """`public.orders_id_seq feeds id`, of the live table."""
    row_security: bool = False
    large_object_columns: tuple[str, ...] = ()
    """Columns of type `lo`, and `oid` columns whose values name large objects of the clone."""
    source_bytes: int = 0
    target_bytes: int = 0
    source_rows: int = 0
    """The clone's estimate; -1 when it never counted."""
    checks: tuple[Check, ...] = ()
    """passed False: the rescue is refused. None: a person should know. True: looked at and fine."""

    @property
    def possible(self) -> bool:
        return all(check.passed is not False for check in self.checks)


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One differing row. `then` is None for an extra row, `now` for a missing one; both are empty when values
    were left out. Values are cut at 200 characters. `columns`: the names that differ in a changed row."""

    kind: Difference
    key: Key
    then: Values | None = None
    now: Values | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableComparison:
    """Counts over all rows; `differences` is a bounded sample, the first ones in the order of the key."""

    name: TableName
    key: tuple[str, ...]
    source_rows: int
    target_rows: int
    same: int
    missing: int
    changed: int
    extra: int
    differences: tuple[RowDifference, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences: columns that could not be compared, rows without a key told apart by digest."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RescueRequest:
    """`restore_id`: 1 to 40 small letters, digits and _ ; it names the undo record and the tables beside.

    rows: for mode `rows`, the keys to put back, in the order of `TableFacts.key`, as text.
    conflicts: what to do with a missing row whose place in another unique index was taken since: leave it out
    and say so (`skip`), or refuse the whole (`refuse`).
    """

    restore_id: str
    source: RescueSource
    target: RescueTarget
    tables: tuple[TableName, ...]
    mode: Mode
    rows: Mapping[TableName, tuple[Key, ...]] = field(default_factory=dict)
    triggers: Triggers = "disabled"
    conflicts: Literal["skip", "refuse"] = "skip"
    lock_seconds: float = 10.0
    statement_seconds: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class TableRescue:
    """What was done to one table. `skipped`: rows left alone, with the first few in words."""

    name: TableName
    beside: TableName | None = None
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    skipped_rows: tuple[str, ...] = ()
    large_objects: int = 0


@dataclass(frozen=True, slots=True)
class RescueResult:
    """A rescue that was committed. Everything in `checks` was looked at inside its transaction."""

    restore_id: str
    mode: Mode
    tables: tuple[TableRescue, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    """Sentences: how triggers were handled, which locks were held, which sequences were set."""
    undo_schema: str
    seconds: float
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds per part: compare, load, apply, verify."""


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """changed: rows of the rescue that somebody wrote since either stop the undo (`refuse`) or are left as
    they are and reported (`leave`)."""

    restore_id: str
    target: RescueTarget
    changed: Literal["refuse", "leave"] = "refuse"
    triggers: Triggers = "disabled"
    lock_seconds: float = 10.0
    statement_seconds: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class UndoneTable:
    """removed: rows the rescue had inserted. put_back: rows it had overwritten. returned: rows it had
    deleted. left: rows somebody wrote since, the first few in words."""

    name: TableName
    removed: int = 0
    put_back: int = 0
    returned: int = 0
    left: int = 0
    left_rows: tuple[str, ...] = ()
    large_objects: int = 0


@dataclass(frozen=True, slots=True)
class UndoResult:
    restore_id: str
    tables: tuple[UndoneTable, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What the server itself says about a rescue. `running`: a session works on it at this moment."""

    state: State
    rescued: RescueResult | None = None
    undone: UndoResult | None = None
    at: datetime | None = None
    """When the transaction of the state began, in the server's clock."""
    undo_bytes: int = 0
    """What the undo record holds on the server's disks."""


def rescue_from_plain(found: Mapping[str, Any]) -> RescueResult:
    """The inverse of `engine.model.as_plain` for a result."""
    tables = tuple(
        TableRescue(
            **_named(each) | {
                "beside": TableName(**each["beside"]) if each["beside"] else None,
                "skipped_rows": tuple(each["skipped_rows"]),
            }
        )
        for each in found["tables"]
    )  # fmt: skip
    return RescueResult(
        **{**found, "tables": tables, "checks": _checks(found), "notes": tuple(found["notes"])}
    )


def undo_from_plain(found: Mapping[str, Any]) -> UndoResult:
    """The inverse of `engine.model.as_plain` for the result of an undo."""
    tables = tuple(
        UndoneTable(**_named(each) | {"left_rows": tuple(each["left_rows"])}) for each in found["tables"]
    )
    return UndoResult(**{**found, "tables": tables, "checks": _checks(found), "notes": tuple(found["notes"])})


def _named(each: Mapping[str, Any]) -> dict[str, Any]:
    return {**each, "name": TableName(**each["name"])}


def _checks(found: Mapping[str, Any]) -> tuple[Check, ...]:
    return tuple(Check(**each) for each in found["checks"])
