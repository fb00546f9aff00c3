"""What is looked at before the transaction commits, and the write probe."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import session, staging, triggers
from dataprotect.engine.databases.postgresql.table_rescue.catalog import one
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing, Written
from dataprotect.engine.databases.postgresql.table_rescue.reading import listed
from dataprotect.engine.databases.postgresql.table_rescue.triggers import Handling
from dataprotect.engine.model import Check

_WORDS = {"I": "inserted", "U": "updated", "D": "deleted"}


def rows_check(each: Replacing, expected: dict[str, int], written: Written, skipped: int) -> Check:
    """Whether the server wrote as many rows as were staged."""
    found = {"I": written.inserted + skipped, "U": written.updated, "D": written.deleted}
    said = f", {skipped} left out" if skipped else ""
    return Check(
        f"rows of {each.part.table.name}",
        all(expected.get(operation, 0) == count for operation, count in found.items()),
        ", ".join(f"{expected.get(op, 0)} {word}" for op, word in _WORDS.items()),
        f"{written.inserted} inserted, {written.updated} updated, {written.deleted} deleted{said}",
    )


def content_check(
    connection: Connection, each: Replacing, digested: Sequence[str], handled: Handling
) -> Check:
    """Whether every row written reads as the version it was to become."""
    other = staging.differing_in_stage(connection, each.part, each.digests(digested))
    passed: bool | None = not other
    found = f"{other} differ" if other else "all do"
    if other and handled.method == "fire":
        passed, found = None, f"{other} differ, as the triggers that fired may have made them"
    return Check(
        f"content of {each.part.table.name}", passed, "every row written reads as in the clone", found
    )


def count_check(connection: Connection, each: Replacing, expected: int) -> Check:
    """Whether the whole table has as many rows as it should now."""
    found = int(one(connection, sql.SQL("SELECT count(*) FROM {}").format(each.part.table.quoted))[0])
    return Check(
        f"row count of {each.part.table.name}", found == expected, f"{expected} rows", f"{found} rows"
    )


def write_probe(connection: Connection, each: Replacing, fed: Sequence[str], handled: Handling) -> Check:
    """Insert a copy of a row written, with new numbers from its sequences, and take it back.

    Without sequences a row written is updated to itself instead.
    """
    name = f"write probe of {each.part.table.name}"
    expected = "a row inserted and taken back" if fed else "a row updated and taken back"
    query = _probe_insert(each, fed) if fed else _probe_update(each)
    if query is None:
        return Check(name, None, expected, "there is no column to set")
    try:
        with (
            connection.transaction(force_rollback=True),
            triggers.asleep(connection, handled),
            session.as_application(connection),
        ):
            count = connection.execute(query).rowcount
    except psycopg.errors.UniqueViolation as error:
        ours = error.diag.constraint_name in {key.name for key in each.part.table.keys}
        said = f"{error.diag.constraint_name} has this value already"
        return Check(name, False if ours else None, expected, said)
    except psycopg.Error as error:
        return Check(name, False, expected, " ".join((error.diag.message_primary or "").split())[:300])
    if not count:
        return Check(name, None, expected, "no row was written to try it with")
    return Check(name, True, expected, "done and taken back")


def require(checks: Sequence[Check]) -> None:
    """Raises `table_rescue.not_verified` with everything that did not pass."""
    failed = [f"{each.name}: expected {each.expected}, found {each.found}" for each in checks
              if each.passed is False]  # fmt: skip
    if failed:
        raise ForeseenError(
            "table_rescue.not_verified",
            f"What was written did not pass: {'; '.join(failed)}. Nothing was changed.",
            "Read what was found; load the table beside to look at its rows in peace.",
        )


def _probe_insert(each: Replacing, fed: Sequence[str]) -> sql.Composed:
    identity = {c.name for c in each.part.table.columns if c.identity == "a"}
    names = [name for name in each.kept_columns if name not in set(fed) | identity]
    columns = listed(sql.Identifier(name) for name in names)
    if not names:
        return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(each.part.table.plain)
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} LIMIT 1").format(
        each.part.table.plain, columns, columns, each.written_rows("s")
    )


def _probe_update(each: Replacing) -> sql.Composed | None:
    if not each.settable:
        return None
    name = sql.Identifier(each.settable[0])
    return sql.SQL(
        "UPDATE {} AS t SET {} = t.{} FROM (SELECT s.tableoid, s.ctid FROM {} LIMIT 1) AS one "
        "WHERE t.tableoid = one.tableoid AND t.ctid = one.ctid"
    ).format(each.part.table.quoted, name, name, each.written_places("s"))
