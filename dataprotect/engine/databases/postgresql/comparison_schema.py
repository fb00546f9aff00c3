"""Definitions and globals: every object by name, so that a difference says which one."""

from __future__ import annotations

from collections.abc import Mapping

from dataprotect.engine.databases.postgresql import fingerprint_schema
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.drift import Drift
from dataprotect.engine.databases.postgresql.fingerprint_model import DatabaseContent, Lines
from dataprotect.engine.model import Check

SHOWN = 10
_CATALOGS = """
SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::bigint, c.relisshared,
    pg_relation_filenode(c.oid)::bigint
FROM pg_class c WHERE c.oid < 16384 AND c.relkind = 'r'
    AND c.relname NOT IN ('pg_statistic', 'pg_largeobject', 'pg_largeobject_metadata')
"""


def schema_check(database: DatabaseContent, connection: Connection, explained: Drift) -> Check:
    """Every object of one database. Objects altered while the fingerprint was taken may differ, and are
    said.
    """
    found = fingerprint_schema.capture(connection, fingerprint_schema.DATABASE_QUERIES)
    return compared(
        f"schema of {database.name}", database.schema, found, frozenset(database.changing),
        _catalogs_drifted(connection, explained),
    )  # fmt: skip


def globals_check(expected: Mapping[str, Lines], connection: Connection, explained: Drift) -> Check:
    """Roles, memberships, passwords where they could be read, settings, tablespaces, databases,
    privileges.
    """
    found = fingerprint_schema.capture(connection, fingerprint_schema.CLUSTER_QUERIES)
    return compared(
        "roles and globals", expected, found, frozenset(), _catalogs_drifted(connection, explained)
    )


def compared(
    name: str,
    expected: Mapping[str, Lines],
    found: Mapping[str, Lines],
    changing: frozenset[str] = frozenset(),
    drifted: bool = False,
) -> Check:
    """One check over the categories both sides have. `changing` may differ, and with `drifted` anything."""
    both = frozenset(expected.keys() & found.keys())
    objects = sum(len(expected[category]) for category in both)
    wanted = f"{objects} objects, checksum {fingerprint_schema.checksum(expected, both)}"
    differing = fingerprint_schema.differences(expected, found)
    unread = sorted(found.keys() - expected.keys())
    suffix = f"; not readable on the source, so not compared: {', '.join(unread)}" if unread else ""
    if not differing:
        return Check(name, True, wanted, f"the same checksum{suffix}")
    unexplained = {} if drifted else {key: pair for key, pair in differing.items() if key not in changing}
    if unexplained:
        return Check(name, False, wanted, f"{len(unexplained)} differ: {_listed(unexplained)}{suffix}")
    why = "a transaction between snapshot and position altered them" if drifted else "altered meanwhile"
    return Check(name, True, wanted, f"the same but for {_listed(differing)}: {why}{suffix}")


def _listed(differing: Mapping[str, tuple[str, str]]) -> str:
    shown = []
    for identity, (expected, found) in list(differing.items())[:SHOWN]:
        what = (
            " is missing" if found == "missing" else " is new" if expected == "missing" else " is different"
        )
        shown.append(identity + what)
    more = len(differing) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _catalogs_drifted(connection: Connection, explained: Drift) -> bool:
    """Whether a drifting transaction wrote to a catalog this database sees."""
    if not explained:
        return False
    rows = connection.execute(_CATALOGS.encode()).fetchall()
    return any(
        (0 if shared else database, filenode) in explained.changes for database, shared, filenode in rows
    )
