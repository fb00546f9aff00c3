"""Take the fingerprint of a running source: what it holds at one position of its log.

Called after `pg_backup_stop`. The log from the backup's start to `end_position` must be in the backup, so
that a clone can be recovered to `position` (exclusively) and compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine.databases.postgresql import (
    fingerprint_content,
    fingerprint_position,
    fingerprint_rows,
    fingerprint_schema,
    fingerprint_sequences,
    lsn,
)
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_content import Open
from dataprotect.engine.databases.postgresql.fingerprint_model import (
    DatabaseContent,
    Fingerprint,
    FingerprintOptions,
)

Connect = Callable[[str], Connection]
"""Opens an autocommit connection to the database of that name, or raises ForeseenError."""

_IDENTITY = """
SELECT pg_is_in_recovery(), (SELECT timeline_id FROM pg_control_checkpoint()),
    (SELECT system_identifier::text FROM pg_control_system()), current_setting('server_version'),
    (SELECT rolname::text FROM pg_roles WHERE oid = 10)
"""
_DATABASES = "SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
"""Templates are left alone: while somebody is connected to template1, CREATE DATABASE fails."""


def capture(
    connect: Connect, options: FingerprintOptions | None = None, reporter: Reporter | None = None
) -> Fingerprint:
    """The fingerprint of the whole cluster behind `connect`.

    Raises ForeseenError when the source is a standby, when its log cannot be flushed, or when `connect` does
    for the maintenance database; another database that cannot be read is listed as skipped, with the reason.
    """
    options, reporter = options or FingerprintOptions(), reporter or Silent()
    started = time.monotonic()
    reporter.phase("fingerprint")
    with ExitStack() as stack:
        steady = stack.enter_context(connect(options.maintenance_database))
        fingerprint_rows.prepare_session(steady, options.statement_seconds, options.lock_seconds)
        timeline, system, version, superuser = _identity(steady)
        open_databases, skipped = _open_all(steady, connect, options, stack)
        connections = {name: each.connection for name, each in open_databases.items()}
        moment = fingerprint_position.take(connections, steady, options.attempts, reporter)
        in_snapshot = connections.get(options.maintenance_database, steady)
        cluster = fingerprint_schema.capture(in_snapshot, fingerprint_schema.CLUSTER_QUERIES)
        end, next_transaction = fingerprint_position.lie_beyond(steady)
        deadline = started + options.budget_seconds
        contents = [
            fingerprint_content.read(each, moment.snapshots[name], connect, options, deadline, reporter)
            for name, each in open_databases.items()
        ]
        fingerprint_position.wait_flushed(steady, end, reporter)
    return Fingerprint(
        position=moment.position,
        end_position=lsn.text(end),
        next_transaction=next_transaction,
        timeline=timeline,
        system_identifier=system,
        server_version=version,
        superuser=superuser,
        taken_at=clock.iso(clock.now()),
        cluster=cluster,
        databases=tuple(sorted([*contents, *skipped], key=lambda each: each.name)),
        seconds=time.monotonic() - started,
        warnings=tuple(f"{each.name} was skipped: {each.skipped}" for each in skipped),
        attempts=moment.attempts,
    )


def _identity(steady: Connection) -> tuple[int, str, str, str]:
    row = steady.execute(_IDENTITY).fetchone()
    assert row is not None  # noqa: S101
    if row[0]:
        raise ForeseenError(
            "fingerprint.standby",
            "This server is a standby: it writes no log of its own that a clone could be recovered along.",
            "Register the primary, or take this backup without a fingerprint.",
        )
    return row[1], row[2], row[3].split()[0], row[4]


def _open_all(
    steady: Connection, connect: Connect, options: FingerprintOptions, stack: ExitStack
) -> tuple[dict[str, Open], list[DatabaseContent]]:
    """One connection per database, its sequences read, ready for its snapshot; and what was not opened."""
    opened: dict[str, Open] = {}
    skipped: list[DatabaseContent] = []
    for (name,) in steady.execute(_DATABASES).fetchall():
        if len(opened) >= options.max_connections:
            reason = f"more databases than the {options.max_connections} connections a fingerprint may open"
            skipped.append(DatabaseContent(name, skipped=reason))
            continue
        try:
            opened[name] = _open(name, connect, options, stack)
        except ForeseenError as error:
            skipped.append(DatabaseContent(name, skipped=error.message))
        except psycopg.Error as error:
            skipped.append(DatabaseContent(name, skipped=fingerprint_content.said(error)))
    return opened, skipped


def _open(name: str, connect: Connect, options: FingerprintOptions, stack: ExitStack) -> Open:
    connection = stack.enter_context(connect(name))
    fingerprint_rows.prepare_session(connection, options.statement_seconds, options.lock_seconds)
    known = fingerprint_sequences.sequences(connection)
    return Open(name, connection, known, fingerprint_sequences.values(connection, known))
