"""What the clone's database holds, read by the fingerprint's own statements, to compare a logical copy.

A copy made by dump and load differs from one made of files in known ways: materialized views are computed
anew, and an extension's own tables are made by the extension.
"""

from __future__ import annotations

import time
from dataclasses import replace

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import (
    clone,
    fingerprint_content,
    fingerprint_rows,
    fingerprint_sequences,
)
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_content import Open
from dataprotect.engine.databases.postgresql.fingerprint_model import (
    DatabaseContent,
    FingerprintOptions,
    TableContent,
)
from dataprotect.engine.databases.postgresql.replacement.access import in_clone, rows

HOURS = 24 * 3600.0
LOCK_SECONDS = 30.0
_EVERYTHING = FingerprintOptions(
    exact_count_bytes=1 << 62, statement_seconds=HOURS, lock_seconds=LOCK_SECONDS, budget_seconds=HOURS
)
_NOT_DUMPED = """
SELECT n.nspname::text || '.' || c.relname::text,
       CASE WHEN c.relkind = 'm' THEN 'a materialized view: it was computed anew from its tables'
            WHEN c.relpersistence = 'u' THEN 'it is unlogged: no physical backup holds its rows'
            WHEN c.oid < 16384 THEN 'compared object by object'
            ELSE 'its extension makes it' END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND (c.relkind = 'm' OR c.relpersistence = 'u' OR c.oid < 16384
    OR EXISTS (SELECT 1 FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                  AND NOT c.oid = ANY (coalesce(e.extconfig, '{}'))))
"""
_LARGE_OBJECTS = """
SELECT l.oid::bigint, pg_get_userbyid(l.lomowner) || ' ' || coalesce((
           SELECT md5(string_agg(p.pageno || ':' || md5(rtrim(p.data, '\\x00')), '' ORDER BY p.pageno))
             FROM pg_largeobject p WHERE p.loid = l.oid AND rtrim(p.data, '\\x00') <> ''), '-')
  FROM pg_largeobject_metadata l ORDER BY hashtextextended(l.oid::text, 0) LIMIT %s
"""
SAMPLED_OBJECTS = 200


def read(dsn: str, database: str, reporter: Reporter) -> DatabaseContent:
    """Everything of one database of the clone: every table counted, rows sampled, sequences read."""
    with in_clone(dsn, database) as connection:
        known = fingerprint_sequences.sequences(connection)
        opened = Open(database, connection, known, fingerprint_sequences.values(connection, known))
        not_dumped = dict(rows(connection, _NOT_DUMPED))
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = fingerprint_content.read(
            opened, "", lambda name: clone.connect(dsn, name), _EVERYTHING, time.monotonic() + HOURS, reporter
        )
    return replace(found, tables=tuple(_judged(table, not_dumped) for table in found.tables))


def row_counts(connection: Connection, reporter: Reporter) -> dict[str, int]:
    """Rows by `schema.table`, of every table whose rows a dump holds."""
    not_dumped = dict(rows(connection, _NOT_DUMPED))
    counts = {}
    for table in fingerprint_rows.tables(connection):
        if table.identity not in not_dumped:
            reporter.checkpoint()
            counts[table.identity] = fingerprint_rows.count(connection, table)
    return counts


def large_objects(connection: Connection) -> dict[int, str]:
    """Owners and digests of up to 200 large objects, chosen by their number: the same ones on either side.

    Holes are zeros once they were written out, so zeros at the end of a page do not count.
    """
    return dict(rows(connection, _LARGE_OBJECTS, SAMPLED_OBJECTS))


def _judged(table: TableContent, not_dumped: dict[str, str]) -> TableContent:
    reason = not_dumped.get(table.identity)
    return replace(table, counted="skipped", skipped=reason) if reason and table.skipped is None else table
