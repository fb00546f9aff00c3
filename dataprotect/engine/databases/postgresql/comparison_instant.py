"""What can be said about a clone of an instant: nobody took a fingerprint of the source there and then."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import clone, comparison_probe, fingerprint_rows
from dataprotect.engine.databases.postgresql.comparison import LOCK_SECONDS, STATEMENT_SECONDS, CloneAccess
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.recovery_reached import Reached
from dataprotect.engine.model import Check
from dataprotect.engine.timeline_model import Choice

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
_SCHEMA = """
SELECT count(*), count(pg_get_viewdef(c.oid)) FILTER (WHERE c.relkind IN ('v', 'm')),
       count(pg_get_indexdef(c.oid)) FILTER (WHERE c.relkind = 'i'), count(pg_relation_size(c.oid))
  FROM pg_class c
"""


def checks_of_instant(
    choice: Choice, reached: Reached, access: CloneAccess, reporter: Reporter
) -> Iterator[Check]:
    """Where it stands, then of every database: its schema read, a write tried, every page looked at."""
    yield _stands(choice, reached)
    reporter.phase("compare")
    with clone.connect(access.dsn) as connection:
        names = [str(row[0]) for row in connection.execute(_DATABASES)]
    yield Check("databases", bool(names), "databases that can be entered", ", ".join(names)[:300])
    for name in names:
        reporter.checkpoint()
        yield from _database(name, access, reporter)


def _stands(choice: Choice, reached: Reached) -> Check:
    """The clone refused to come up anywhere else (`recovery_reached.require`); this is the evidence."""
    last = f", last transaction {reached.at.isoformat()}" if reached.at else ""
    low, high = choice.bracket.low, choice.bracket.high
    known = f", by heartbeats between {low.at.isoformat()} and {high.at.isoformat()}" if low and high else ""
    return Check(
        "recovery target", True, f"{choice.target} on timeline {choice.line.timeline}{known}",
        f"LSN {reached.position} ({reached.reason}){last}",
    )  # fmt: skip


def _database(name: str, access: CloneAccess, reporter: Reporter) -> Iterator[Check]:
    try:
        with clone.connect(access.dsn, name) as connection:
            fingerprint_rows.prepare_session(connection, STATEMENT_SECONDS, LOCK_SECONDS)
            yield _schema(name, connection)
            yield comparison_probe.write_probe(name, connection)
    except psycopg.Error as error:
        said = " ".join(str(error).split())[:300]
        yield Check(f"connection to {name}", False, "a database that answers", said)
        return
    yield comparison_probe.amcheck(name, access.dsn, access.log, access.amcheck, reporter)


def _schema(name: str, connection: Connection) -> Check:
    """Every relation's file is there and every definition can be read."""
    row = connection.execute(_SCHEMA).fetchone()
    assert row is not None  # noqa: S101
    found = f"{row[0]} relations, {row[1]} views, {row[2]} indexes"
    return Check(f"schema of {name}", True, "every definition and file readable", found)
