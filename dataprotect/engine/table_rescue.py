"""Table rescue: tables or rows brought back into a live database from a clone that stands at an instant.

Everything a rescue changes, it changes in one transaction of the live server, which also writes the undo
record (a schema of its own) and the mark by which `standing` knows that it was done. So a worker that dies at
any step leaves either nothing or the whole. `rescue` and `undo` of something already done answer as they did
the first time.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine.databases.postgresql.table_rescue import comparing, inspecting, rescuing, undoing
from dataprotect.engine.databases.postgresql.table_rescue import standing as standings
from dataprotect.engine.stop_watch import watchful
from dataprotect.engine.table_rescue_model import (
    Mode,
    RescueRequest,
    RescueResult,
    RescueSource,
    RescueTarget,
    Standing,
    TableComparison,
    TableFacts,
    TableName,
    Triggers,
    UndoRequest,
    UndoResult,
)


def inspect(
    source: RescueSource,
    target: RescueTarget,
    tables: Sequence[TableName],
    mode: Mode = "merge",
    triggers: Triggers = "disabled",
) -> tuple[TableFacts, ...]:
    """Each table on both sides, with the preflight checks of this mode. Reads only.

    A table that is missing somewhere is no error but a fact. Raises ForeseenError when a side cannot be
    reached.
    """
    return inspecting.inspect(source, target, tables, mode, triggers)


def compare(
    source: RescueSource,
    target: RescueTarget,
    tables: Sequence[TableName],
    *,
    sample: int = 20,
    values: bool = True,
    reporter: Reporter | None = None,
) -> tuple[TableComparison, ...]:
    """Missing, changed and extra rows of each table, by key, in one snapshot of the live database.

    Reads both sides once, in order, with bounded memory. `sample`: differing rows shown per kind and table;
    `values` False leaves their values out (keys are always shown). Raises ForeseenError
    (`table_rescue.impossible`) for a table that is not on both sides, and what the reporter raises.
    """
    return comparing.compare(source, target, tables, sample, values, reporter or Silent())


def rescue(request: RescueRequest, reporter: Reporter | None = None) -> RescueResult:
    """Do it, verify it, commit it. Already done: answers what it did.

    Raises ForeseenError, and then nothing was changed: `table_rescue.impossible` (preflight, in words),
    `table_rescue.foreign_keys`, `table_rescue.conflicts`, `table_rescue.not_verified`, `table_rescue.busy` (a
    lock was not had in time; retry), `table_rescue.undone` (this restore_id was undone), and what the
    reporter raises. A connection lost during the commit raises `connection.lost`: ask `standing`.
    """
    return rescuing.rescue(request, watchful(reporter))


def undo(request: UndoRequest, reporter: Reporter | None = None) -> UndoResult:
    """Put back exactly what the rescue changed, in one transaction. Already undone: answers what it did.

    Raises ForeseenError, and then nothing was changed: `table_rescue.unknown` (no such rescue on this
    server), `table_rescue.changed_since` (rows were written since, listed; only with changed="refuse"), and
    those of `rescue`.
    """
    return undoing.undo(request, reporter or Silent())


def standing(target: RescueTarget, restore_id: str) -> Standing:
    """Whether the rescue was done, undone, is at work now, or none of it, as the live server alone tells."""
    return standings.standing(target, restore_id)


def forget_undo(target: RescueTarget, restore_id: str, *, lock_seconds: float = 10.0) -> bool:
    """Drop the undo record once its deadline is over; False when there is none. The rescued rows, and a table
    loaded beside, stay. Afterwards `standing` answers `none`.
    """
    return standings.forget_undo(target, restore_id, lock_seconds)
