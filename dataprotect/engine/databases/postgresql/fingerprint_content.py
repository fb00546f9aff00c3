"""Read what one database holds, inside its transaction's snapshot, without ever failing over one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import (
    fingerprint_rows,
    fingerprint_schema,
    fingerprint_sequences,
)
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_model import (
    DatabaseContent,
    FingerprintOptions,
    Lines,
    SequenceState,
    TableContent,
)
from dataprotect.engine.databases.postgresql.fingerprint_rows import Table
from dataprotect.engine.databases.postgresql.fingerprint_sequences import Sequence, Value

_FEWEST_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Open:
    """A database with a connection, and its sequences as they were before the position."""

    name: str
    connection: Connection
    sequences: list[Sequence]
    before: Mapping[tuple[str, str], Value]


def read(
    database: Open,
    snapshot: str,
    connect: Callable[[str], Connection],
    options: FingerprintOptions,
    deadline: float,
    reporter: Reporter,
) -> DatabaseContent:
    """Everything of one database. Ends its transaction. Raises only when the work must end."""
    connection = database.connection
    reporter.checkpoint()
    try:
        schema = fingerprint_schema.capture(connection, fingerprint_schema.DATABASE_QUERIES)
        listed = fingerprint_rows.tables(connection)
        large_objects = _large_objects(connection)
        after = fingerprint_sequences.values(connection, database.sequences)
        sequences = _sequences(database, after, listed)
        wanted = max(
            _FEWEST_SAMPLES, min(options.samples_per_table, options.samples_in_all // (len(listed) or 1))
        )
        tables = []
        for table in listed:
            reporter.checkpoint()
            tables.append(_table(connection, table, wanted, options, deadline))
        connection.execute("ROLLBACK")
        changing = _changing(connect, database.name, schema, options)
    except psycopg.Error as error:
        if connection.closed:
            return DatabaseContent(
                database.name, snapshot, skipped="the connection was lost while it was read"
            )
        return DatabaseContent(database.name, snapshot, skipped=said(error))
    return DatabaseContent(database.name, snapshot, schema, changing, tuple(tables), sequences, large_objects)


def said(error: psycopg.Error) -> str:
    """The server's own sentence, one line, never the statement."""
    return " ".join((error.diag.message_primary or type(error).__name__).split())[:200]


def _changing(
    connect: Callable[[str], Connection], name: str, schema: Mapping[str, Lines], options: FingerprintOptions
) -> tuple[str, ...]:
    """Objects somebody altered while we read: the server's definition functions do not keep to a snapshot."""
    try:
        with connect(name) as fresh:
            fingerprint_rows.prepare_session(fresh, options.statement_seconds, options.lock_seconds)
            now = fingerprint_schema.capture(fresh, fingerprint_schema.DATABASE_QUERIES)
    except (ForeseenError, psycopg.Error):
        return ()
    return tuple(fingerprint_schema.differences(schema, now))


def _table(
    connection: Connection, table: Table, wanted: int, options: FingerprintOptions, deadline: float
) -> TableContent:
    if reason := _unreadable(table, deadline):
        return _skipped(table, reason)
    try:
        with connection.transaction():
            content = _measured(connection, table, wanted, options)
            if table.filenode != (fingerprint_rows.current_filenode(connection, table) or 0):
                return _skipped(table, "it was dropped, truncated or rewritten while it was read")
            return content
    except psycopg.errors.LockNotAvailable:
        return _skipped(table, "another session held it locked exclusively")
    except psycopg.Error as error:
        if connection.closed:
            raise
        return _skipped(table, said(error))


def _unreadable(table: Table, deadline: float) -> str | None:
    if table.unlogged:
        return "it is unlogged: no physical backup holds its rows"
    if table.unpopulated:
        return "the materialized view is not populated"
    if not table.readable:
        return "the user of this instance may not read it"
    if time.monotonic() > deadline:
        return "the time allowed for the fingerprint was over"
    return None


def _skipped(table: Table, reason: str) -> TableContent:
    return TableContent(table.schema, table.name, table.filenode, 0, counted="skipped", skipped=reason)


def _measured(connection: Connection, table: Table, wanted: int, options: FingerprintOptions) -> TableContent:
    size, main_size = fingerprint_rows.sizes(connection, table)
    exact = size <= options.exact_count_bytes
    content: str | None = None
    if size <= options.content_bytes:
        rows, content = fingerprint_rows.count_and_digest(connection, table)
    elif exact:
        rows = fingerprint_rows.count(connection, table)
    else:
        rows = table.estimate
    return TableContent(
        schema=table.schema,
        name=table.name,
        filenode=table.filenode,
        size=size,
        rows=rows,
        counted="exact" if exact else "estimated",
        content=content,
        key_columns=table.key_columns,
        key_types=table.key_types,
        samples=fingerprint_rows.sample(connection, table, main_size, wanted),
    )


def _sequences(
    database: Open, after: Mapping[tuple[str, str], Value], listed: list[Table]
) -> tuple[SequenceState, ...]:
    readable = {(each.schema, each.name) for each in listed if each.readable and not each.unlogged}
    states = []
    for sequence in database.sequences:
        first, last = database.before.get(sequence.identity), after.get(sequence.identity)
        if first is not None and last is not None:
            states.append(_sequence(database.connection, sequence, first, last, readable))
    return tuple(states)


def _sequence(
    connection: Connection, sequence: Sequence, before: Value, after: Value, readable: set[tuple[str, str]]
) -> SequenceState:
    behind: bool | None = None
    if sequence.column is not None and sequence.column[:2] in readable:
        try:
            behind = fingerprint_sequences.is_behind(connection, sequence, after)
        except psycopg.Error:
            if connection.closed:
                raise
    return SequenceState(
        schema=sequence.schema,
        name=sequence.name,
        before=before.last,
        after=after.last,
        called=after.called,
        increment=sequence.increment,
        cache=sequence.cache,
        cycle=sequence.cycle,
        column=sequence.column,
        behind=behind,
    )


def _large_objects(connection: Connection) -> int | None:
    row = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    return int(row[0]) if row else None
