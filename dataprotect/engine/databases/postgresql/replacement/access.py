"""How a replacement enters the server: a database to stand in, and what client programs are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import clone, fingerprint_rows
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen
from dataprotect.engine.replace_model import ReplaceTarget

_PREFERRED = ("postgres", "template1")
_HOURS = 24 * 3600.0
_LOCK_SECONDS = 30.0
_UNHINDERED = (
    "SET default_transaction_read_only = off; SET idle_session_timeout = 0;"
    " SET idle_in_transaction_session_timeout = 0"
)


def entrance(target: ReplaceTarget) -> str:
    """A database to stand in while another is renamed: never the one that is replaced."""
    return next(name for name in (target.address.database, *_PREFERRED) if name != target.database)


@contextmanager
def standing_in(
    target: ReplaceTarget, doing: str, *, database: str | None = None, seconds: float | None = None
) -> Iterator[Connection]:
    """An autocommit connection whose errors become sentences. `seconds` bounds every statement."""
    place = database or entrance(target)
    application = "dataprotect replace"
    with (
        connect(target.address, database=place, statement_timeout=seconds, application=application) as found,
        foreseen(target.address, doing),
    ):
        # The settings of a database being replaced (read-only, time limits) must not keep us from our work.
        found.execute(_UNHINDERED)
        if seconds is None:
            found.execute("SET statement_timeout = 0")
        yield found


@contextmanager
def in_clone(dsn: str, database: str) -> Iterator[Connection]:
    """A session as the fingerprint wants it, whose errors become sentences; it may idle while others work."""
    try:
        with clone.connect(dsn, database) as found:
            fingerprint_rows.prepare_session(found, _HOURS, _LOCK_SECONDS)
            yield found
    except psycopg.Error as error:
        raise ForeseenError(
            "replace.clone_lost",
            f"The database {database} of the clone could not be read: {said(error)}.",
            "Look whether the clone still runs; bring up another one if it does not.",
            retry=True,
        ) from None


def rows(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of one of our own constant queries."""
    return connection.execute(query.encode(), values or None).fetchall()


def one(connection: Connection, query: str, *values: Any) -> tuple[Any, ...]:
    """The first row, which there must be."""
    row = connection.execute(query.encode(), values or None).fetchone()
    if row is None:
        raise ForeseenError(
            "postgresql.no_answer",
            "The server answered a question about itself with nothing.",
            "Check that the database and the user's role still exist.",
        )
    return tuple(row)


def oid_of(connection: Connection, name: str) -> int | None:
    """The database's own number; None when there is none by that name."""
    found = rows(connection, "SELECT oid::bigint FROM pg_database WHERE datname = %s", name)
    return int(found[0][0]) if found else None


def run(connection: Connection, statement: str, *names: str) -> None:
    """A statement of ours with its names quoted: `run(c, "DROP DATABASE {}", name)`."""
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def said(error: psycopg.Error) -> str:
    """The server's own sentence and its detail on one line."""
    text = f"{error.diag.message_primary or error} {error.diag.message_detail or ''}"
    return " ".join(text.split())[:300].rstrip(".")
