"""Whether the database in use serves: it answers, its rows are there, its smoke tests pass."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import fingerprint_rows
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_rows import Table
from dataprotect.engine.databases.postgresql.replacement import smoke
from dataprotect.engine.databases.postgresql.replacement.access import one, said, standing_in
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import Health, ReplaceRequest

_COUNTED_BYTES = 1 << 30
_SECONDS = 60.0
_LOCK_SECONDS = 3.0
_SHOWN = 10


@dataclass(slots=True)
class _Rows:
    """Sums over the tables that were counted; lines for people."""

    tables: int = 0
    expected: int = 0
    differing: int = 0
    missing: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def percent(self, rows: int) -> float:
        return 100.0 * rows / max(self.expected, 1)


def look(request: ReplaceRequest, expected: Mapping[str, int]) -> Health:
    """Never raises for a database that does not serve: that is what it is there to say."""
    began = time.monotonic()
    database = request.target.database
    counted: _Rows | None = None
    try:
        with standing_in(
            request.target, "looking whether the database serves", database=database, seconds=_SECONDS
        ) as connection:
            checks = [_answers(connection, database)]
            if expected:
                fingerprint_rows.prepare_session(connection, _SECONDS, _LOCK_SECONDS)
                counted = _count(connection, expected)
    except ForeseenError as error:
        checks = [Check(f"{database} answers", False, "an answer", error.message)]
    checks += smoke.ask_all(request, database, http=True)
    healthy = all(check.passed is not False for check in checks)
    if counted is None:
        return Health(healthy, tuple(checks), None, None, time.monotonic() - began)
    return Health(
        healthy=healthy,
        checks=(*checks, _rows_check(database, counted)),
        mismatch_percent=counted.percent(counted.differing),
        missing_percent=counted.percent(counted.missing),
        seconds=time.monotonic() - began,
    )


def _answers(connection: Connection, database: str) -> Check:
    recovering = one(connection, "SELECT pg_is_in_recovery()")[0]
    found = "a standby" if recovering else "a primary"
    return Check(f"{database} answers", not recovering, "a primary", found)


def _count(connection: Connection, expected: Mapping[str, int]) -> _Rows:
    there = {table.identity: table for table in fingerprint_rows.tables(connection)}
    counted = _Rows()
    for identity, rows in sorted(expected.items()):
        try:
            found = _rows_of(connection, there.get(identity))
        except psycopg.Error as error:
            if connection.closed:
                raise
            counted.skipped.append(f"{identity} ({said(error)})")
            continue
        if found is None:
            counted.skipped.append(f"{identity} (over 1 GiB)")
            continue
        counted.tables += 1
        counted.expected += rows
        counted.differing += abs(found - rows)
        counted.missing += max(rows - found, 0)
        if identity not in there:
            counted.problems.append(f"{identity} is missing")
        elif found != rows:
            counted.problems.append(f"{identity} {found - rows:+d}")
    return counted


def _rows_of(connection: Connection, table: Table | None) -> int | None:
    """0 for a table that is gone; None for one too large to be counted here."""
    if table is None:
        return 0
    if fingerprint_rows.sizes(connection, table)[0] > _COUNTED_BYTES:
        return None
    return fingerprint_rows.count(connection, table)


def _rows_check(database: str, counted: _Rows) -> Check:
    text = f"{counted.percent(counted.differing):.3f} % differ"
    text += f": {', '.join(counted.problems[:_SHOWN])}" if counted.problems else ""
    text += f"; not counted: {', '.join(counted.skipped[:_SHOWN])}" if counted.skipped else ""
    wanted = f"{counted.expected} rows in {counted.tables} tables"
    return Check(f"rows of {database}", not counted.problems, wanted, text)
