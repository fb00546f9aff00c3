"""Compare a clone with the fingerprint of its source. Every check says what was expected and what was found.

The order matters: everything that only reads comes first, because the write probe and amcheck change the
clone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine.databases.postgresql import (
    clone,
    comparison_probe,
    comparison_rows,
    comparison_schema,
    comparison_sequences,
    drift,
    fingerprint_rows,
)
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.drift import Drift
from dataprotect.engine.databases.postgresql.fingerprint_model import DatabaseContent, Fingerprint
from dataprotect.engine.databases.postgresql.stored_log import StoredLog
from dataprotect.engine.model import Check

STATEMENT_SECONDS = 6 * 3600.0
LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class CloneAccess:
    """How the comparison enters the clone. `amcheck` off leaves out the check of every page and index."""

    dsn: str
    log: StoredLog
    amcheck: bool = True


def compare(fingerprint: Fingerprint, access: CloneAccess, reporter: Reporter | None = None) -> list[Check]:
    """All checks, in order. Raises only when the clone goes away or the work must end."""
    reporter = reporter or Silent()
    reporter.phase("compare")
    with clone.connect(access.dsn) as steady:
        _prepare(steady)
        checks = [_databases(fingerprint, steady)]
        explained = _all_drift(fingerprint, steady, access, reporter)
        # The globals were read in one database's snapshot; whatever any snapshot missed may explain them.
        everything = _merged(explained)
        checks.append(comparison_schema.globals_check(fingerprint.cluster, steady, everything))
    for database in fingerprint.databases:
        reporter.checkpoint()
        checks += _database(database, access, explained.get(database.name, Drift()), reporter)
    return checks


def _prepare(connection: Connection) -> None:
    fingerprint_rows.prepare_session(connection, STATEMENT_SECONDS, LOCK_SECONDS)


def _databases(fingerprint: Fingerprint, steady: Connection) -> Check:
    wanted = {each.name for each in fingerprint.databases}
    rows = steady.execute(
        "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
    ).fetchall()
    there = {str(row[0]) for row in rows}
    problems = [f"{name} is missing" for name in sorted(wanted - there)]
    problems += [f"{name} was not in the source" for name in sorted(there - wanted)]
    return Check(
        "databases", not problems, f"{len(wanted)}: {', '.join(sorted(wanted))}",
        "; ".join(problems) or f"the same {len(there)}",
    )  # fmt: skip


def _all_drift(
    fingerprint: Fingerprint,
    steady: Connection,
    access: CloneAccess,
    reporter: Reporter,
) -> dict[str, Drift]:
    """Drift by database. The stored log is read at most once per distinct set, and mostly not at all."""
    known: dict[frozenset[int], Drift] = {frozenset(): Drift()}
    result: dict[str, Drift] = {}
    for database in fingerprint.databases:
        if database.snapshot:
            found = drift.unseen(steady, database.snapshot, fingerprint.next_transaction)
            key = frozenset(found)
            if key not in known:
                known[key] = drift.explain(access.log, found, reporter)
            result[database.name] = known[key]
    return result


def _merged(explained: dict[str, Drift]) -> Drift:
    largest = [each for each in explained.values() if each]
    changes = {place: found for each in largest for place, found in each.changes.items()}
    return Drift(frozenset().union(*(each.transactions for each in largest)), changes)


def _database(
    database: DatabaseContent, access: CloneAccess, explained: Drift, reporter: Reporter
) -> Iterator[Check]:
    if database.skipped is not None:
        yield Check(
            f"contents of {database.name}", None, "compared",
            f"not compared: when the backup was taken it was skipped, because {database.skipped}",
        )  # fmt: skip
        return
    try:
        with clone.connect(access.dsn, database.name) as connection:
            _prepare(connection)
            yield comparison_schema.schema_check(database, connection, explained)
            yield from comparison_rows.checks(database, connection, explained, reporter)
            yield from comparison_sequences.checks(database, connection)
            yield comparison_probe.write_probe(database.name, connection)
    except psycopg.Error as error:
        said = " ".join(str(error).split())[:300]
        yield Check(f"connection to {database.name}", False, "a database that answers", said)
        return
    reporter.checkpoint()
    yield comparison_probe.amcheck(database.name, access.dsn, access.log, access.amcheck, reporter)
