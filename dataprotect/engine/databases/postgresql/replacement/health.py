"""Whether the database in use serves: it answers, its rows are there, its smoke tests pass."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import fingerprint_rows
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement import smoke
from dataprotect.engine.databases.postgresql.replacement.access import one, said, standing_in
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import Health, ReplaceRequest

_COUNTED_BYTES = 1 << 30
_SECONDS = 60.0
_LOCK_SECONDS = 3.0
_SHOWN = 10
_ANSWER = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')"


def look(request: ReplaceRequest, expected: Mapping[str, int]) -> Health:
    """Never raises for a database that does not serve: that is what it is there to say."""
    began = time.monotonic()
    database = request.target.database
    mismatch: float | None = None
    try:
        with standing_in(
            request.target, "looking whether the database serves", database=database, seconds=_SECONDS
        ) as connection:
            checks = [_answers(connection, database)]
            fingerprint_rows.prepare_session(connection, _SECONDS, _LOCK_SECONDS)
            if expected:
                rows_check, mismatch = _rows(connection, database, expected)
                checks.append(rows_check)
    except ForeseenError as error:
        checks = [Check(f"{database} answers", False, "an answer", error.message)]
    checks += smoke.ask_all(request, database, http=True)
    # How many rows may differ is for the caller to judge: applications write again by now.
    healthy = all(check.passed is not False for check in checks if not check.name.startswith("rows of"))
    return Health(healthy, tuple(checks), mismatch, time.monotonic() - began)


def _answers(connection: Connection, database: str) -> Check:
    recovering, _ = one(connection, _ANSWER)
    return Check(
        f"{database} answers", not recovering, "a primary", "a standby" if recovering else "a primary"
    )


def _rows(connection: Connection, database: str, expected: Mapping[str, int]) -> tuple[Check, float]:
    """The check, and by how many percent the rows differ over the tables that were counted."""
    there = {table.identity: table for table in fingerprint_rows.tables(connection)}
    wanted = differing = counted = 0
    problems, skipped = [], []
    for identity, rows in sorted(expected.items()):
        table = there.get(identity)
        try:
            if table is not None and fingerprint_rows.sizes(connection, table)[0] > _COUNTED_BYTES:
                skipped.append(identity)
                continue
            found = fingerprint_rows.count(connection, table) if table is not None else 0
        except psycopg.Error as error:
            if connection.closed:
                raise
            skipped.append(f"{identity} ({said(error)})")
            continue
        counted, wanted, differing = counted + 1, wanted + rows, differing + abs(found - rows)
        if found != rows or table is None:
            problems.append(
                f"{identity} {found - rows:+d}" if table is not None else f"{identity} is missing"
            )
    percent = 100.0 * differing / max(wanted, 1)
    text = f"{percent:.3f} % differ" + (f": {', '.join(problems[:_SHOWN])}" if problems else "")
    text += f"; not counted: {', '.join(skipped[:_SHOWN])}" if skipped else ""
    return Check(f"rows of {database}", not problems, f"{wanted} rows in {counted} tables", text), percent
