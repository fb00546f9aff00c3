"""Rows: counts, whole-table digests, samples by key and large objects, each equal but for explained drift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg

from dataprotect.core.progress import Reporter
from dataprotect.core.wording import counted
from dataprotect.engine.databases.postgresql import fingerprint_rows
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.drift import Changes, Drift
from dataprotect.engine.databases.postgresql.fingerprint_model import DatabaseContent, TableContent
from dataprotect.engine.databases.postgresql.fingerprint_rows import Table
from dataprotect.engine.model import Check

SHOWN = 10
ESTIMATE_TOLERANCE = 0.10
"""How far an estimate of the server may be off; counted tables must be exact."""


@dataclass(slots=True)
class _Found:
    """What the comparison of one database's tables found. Lines are for people."""

    exact: int = 0
    rows: int = 0
    estimated: int = 0
    digested: int = 0
    sampled_tables: int = 0
    sampled_rows: int = 0
    skipped: list[str] = field(default_factory=list)
    count_problems: list[str] = field(default_factory=list)
    digest_problems: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)


def checks(
    database: DatabaseContent, connection: Connection, drift: Drift, reporter: Reporter
) -> Iterator[Check]:
    """Row counts, row digests and large objects of one database."""
    found = _Found()
    connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    row = connection.execute(
        "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None  # noqa: S101
    there = {table.identity: table for table in fingerprint_rows.tables(connection)}
    for expected in database.tables:
        reporter.checkpoint()
        _compare(connection, row[0], expected, there.get(expected.identity), drift, found)
    large_objects = _large_objects(database, connection, row[0], drift)
    connection.execute("ROLLBACK")
    yield _counts_check(database.name, found, drift)
    yield _digests_check(database.name, found)
    yield large_objects


def _compare(
    connection: Connection,
    database: int,
    expected: TableContent,
    table: Table | None,
    drift: Drift,
    found: _Found,
) -> None:
    if expected.skipped is not None:
        found.skipped.append(f"{expected.identity} ({expected.skipped})")
        return
    if table is None:
        found.count_problems.append(f"{expected.identity} is missing, expected {expected.rows} rows")
        return
    if table.filenode != expected.filenode and drift and _rewritten(connection, table, drift):
        found.explained.append(f"{expected.identity} was rewritten by a transaction in between")
        return
    changes = drift.of(database, table.filenode)
    try:
        with connection.transaction():
            _count(connection, expected, table, changes, found)
            _samples(connection, expected, table, drift, changes, found)
    except psycopg.Error as error:
        if connection.closed:
            raise
        found.count_problems.append(
            f"{expected.identity} cannot be read: {' '.join(str(error).split())[:200]}"
        )


def _count(
    connection: Connection, expected: TableContent, table: Table, changes: Changes, found: _Found
) -> None:
    if expected.counted == "estimated":
        _estimate(expected, table, found)
        return
    if expected.content is not None:
        rows, content = fingerprint_rows.count_and_digest(connection, table)
        found.digested += 1
        untouched = not (changes.inserted or changes.deleted or changes.updated)
        if untouched and rows == expected.rows and content != expected.content:
            found.digest_problems.append(f"{expected.identity}: the digest of all {rows} rows is different")
    else:
        rows = fingerprint_rows.count(connection, table)
    found.exact += 1
    found.rows += rows
    wanted = (expected.rows or 0) + changes.net
    if rows != wanted:
        found.count_problems.append(f"{expected.identity} has {rows} rows, expected {wanted}")
    elif changes.net:
        found.explained.append(f"{expected.identity} {changes.net:+d} rows")


def _estimate(expected: TableContent, table: Table, found: _Found) -> None:
    found.estimated += 1
    wanted, there = expected.rows or 0, table.estimate
    if abs(there - wanted) > ESTIMATE_TOLERANCE * max(wanted, 1):
        found.count_problems.append(
            f"{expected.identity} has about {there} rows, expected about {wanted} (estimated)"
        )


def _samples(
    connection: Connection,
    expected: TableContent,
    table: Table,
    drift: Drift,
    changes: Changes,
    found: _Found,
) -> None:
    if not expected.samples:
        return
    there = fingerprint_rows.digests(connection, table, [sample.key for sample in expected.samples])
    found.sampled_tables += 1
    found.sampled_rows += len(expected.samples)
    missing, explained = [], 0
    for sample in expected.samples:
        key = f"{expected.identity} ({', '.join(sample.key)})"
        digest, xmin = there.get(sample.key, (None, 0))
        if digest is None:
            missing.append(key)
        elif digest != sample.digest and xmin in drift.transactions:
            explained += 1
        elif digest != sample.digest:
            found.digest_problems.append(f"{key} is different")
    # A missing row is explained only by a logged deletion, or an update (of its key), of this table.
    if len(missing) > changes.deleted + changes.updated:
        found.digest_problems += [f"{key} is missing" for key in missing]
    else:
        explained += len(missing)
    if explained:
        found.explained.append(f"{expected.identity} {explained} sampled rows changed")


def _rewritten(connection: Connection, table: Table, drift: Drift) -> bool:
    row = connection.execute(
        "SELECT xmin::text::bigint FROM pg_class WHERE oid = %s", (table.oid,)
    ).fetchone()
    return row is not None and row[0] in drift.transactions


def _counts_check(name: str, found: _Found, drift: Drift) -> Check:
    wanted = f"{counted(found.exact, 'table')} counted exactly"
    if found.estimated:
        wanted += f", {found.estimated} estimated"
    wanted += f", drift of {counted(len(drift.transactions), 'transaction')}" if drift else ", no drift"
    text = f"{counted(found.rows, 'row')}, all as expected"
    if found.count_problems:
        text = f"{len(found.count_problems)} differ: {_listed(found.count_problems)}"
    if found.explained:
        text += f"; explained by transaction id: {_listed(found.explained)}"
    if found.skipped:
        text += f"; not compared: {_listed(found.skipped)}"
    compared = found.exact + found.estimated + len(found.count_problems)
    passed = None if not compared and found.skipped else not found.count_problems
    return Check(f"row counts of {name}", passed, wanted, text)


def _digests_check(name: str, found: _Found) -> Check:
    sampled = f"{counted(found.sampled_rows, 'sampled row')} of {counted(found.sampled_tables, 'table')}"
    whole = f"all rows of {counted(found.digested, 'small table')}"
    wanted = f"{sampled} and {whole}" if found.sampled_tables else whole
    if found.digest_problems:
        return Check(
            f"row digests of {name}", False, wanted,
            f"{len(found.digest_problems)} differ: {_listed(found.digest_problems)}",
        )  # fmt: skip
    if not found.sampled_tables and not found.digested:
        return Check(f"row digests of {name}", None, "sampled rows", "no table with a key or small enough")
    return Check(f"row digests of {name}", True, wanted, "all the same")


def _large_objects(database: DatabaseContent, connection: Connection, number: int, drift: Drift) -> Check:
    name = f"large objects of {database.name}"
    if database.large_objects is None:
        return Check(name, None, "counted", "not counted on the source")
    row = connection.execute(
        "SELECT count(*), pg_relation_filenode('pg_largeobject_metadata') FROM pg_largeobject_metadata"
    ).fetchone()
    assert row is not None  # noqa: S101
    wanted = database.large_objects + drift.of(number, row[1]).net
    return Check(name, row[0] == wanted, str(wanted), str(row[0]))


def _listed(lines: list[str]) -> str:
    more = len(lines) - SHOWN
    return ", ".join(lines[:SHOWN]) + (f" and {more} more" if more > 0 else "")
