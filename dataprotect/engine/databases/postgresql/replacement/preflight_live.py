"""What goes on in the database in use that a swap would end, strand or wait for."""

from __future__ import annotations

from collections.abc import Iterator

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement.access import one, rows
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest

_SESSIONS = """
SELECT count(*), count(*) FILTER (WHERE xact_start IS NOT NULL), count(*) FILTER (WHERE u.rolsuper)
  FROM pg_stat_activity a LEFT JOIN pg_roles u ON u.oid = a.usesysid
 WHERE datname = %s AND pid <> pg_backend_pid()
   AND coalesce(backend_type, 'client backend') = 'client backend'
"""
_OLDEST = """
SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::bigint
  FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""
_SLOTS = "SELECT slot_name::text FROM pg_replication_slots WHERE database = %s ORDER BY 1"
_SUBSCRIPTIONS = """
SELECT s.subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
 WHERE d.datname = %s ORDER BY 1
"""
_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY 1"
_ME = """
SELECT rolsuper, rolcreatedb, pg_has_role('pg_signal_backend', 'USAGE'),
       pg_has_role('pg_read_all_stats', 'USAGE')
  FROM pg_roles WHERE rolname = current_user
"""
_OWNED = "SELECT pg_has_role(datdba, 'USAGE'), pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"


def checks(request: ReplaceRequest, connection: Connection, in_use: bool) -> Iterator[Check]:
    """`in_use` False: there is no database by that name, and nothing that could be disturbed."""
    database = request.target.database
    superuser, create, signal, stats = one(connection, _ME)
    account = request.target.address.user
    if not in_use:
        yield Check(
            "database in use", None, database, "there is none by that name: the restored one will be it"
        )
        yield _account(account, superuser, create, None)
        return
    yield _account(account, superuser, create, one(connection, _OWNED, database))
    yield from _sessions(connection, database, superuser, signal, stats)
    yield _none(
        "replication slots", [name for (name,) in rows(connection, _SLOTS, database)],
        "logical slots stay with the old database and hold back its log: drop them, and make them anew",
    )  # fmt: skip
    yield _none(
        "subscriptions", _subscriptions(connection, database),
        "subscriptions would go on writing into the old database: drop them, and make them anew",
    )  # fmt: skip
    yield _none(
        "prepared transactions", [name for (name,) in rows(connection, _PREPARED, database)],
        "they keep the database from being renamed: commit them or roll them back",
    )  # fmt: skip


def _account(account: str, superuser: bool, create: bool, owned: tuple[bool, str] | None) -> Check:
    name = "rights of the restore account"
    if superuser:
        return Check(name, True, "superuser, or CREATEDB and the owner's role", f"{account} is a superuser")
    lacking = [] if create else [f"CREATEDB (`ALTER ROLE {account} CREATEDB`)"]
    if owned is not None and not owned[0]:
        lacking.append(f"the owner's role (`GRANT {owned[1]} TO {account}`)")
    found = f"{account} lacks {' and '.join(lacking)}" if lacking else f"{account} has both"
    return Check(name, not lacking, "superuser, or CREATEDB and the owner's role", found)


def _sessions(
    connection: Connection, database: str, superuser: bool, signal: bool, stats: bool
) -> Iterator[Check]:
    """Connections are no reason against it: they are said, because they will be ended."""
    total, busy, of_superusers = one(connection, _SESSIONS, database)
    oldest = one(connection, _OLDEST, database)[0]
    text = f"{total} connected, {busy} in a transaction, the oldest for {oldest} s; all will be ended"
    text += "" if stats else " (what they do is hidden from this account: `GRANT pg_read_all_stats`)"
    yield Check("active connections", True, "any number, ended after their grace", text)
    if superuser or not total:
        return
    problem = None
    if not signal:
        problem = "it may not end the sessions of other roles (`GRANT pg_signal_backend`)"
    elif of_superusers:
        problem = f"{of_superusers} sessions are a superuser's, which only a superuser can end"
    yield Check("ending sessions", problem is None, "the right to", problem or "it has")


def _subscriptions(connection: Connection, database: str) -> list[str]:
    """The catalog may be read by everyone but for the connection strings."""
    return [name for (name,) in rows(connection, _SUBSCRIPTIONS, database)]


def _none(name: str, found: list[str], why: str) -> Check:
    return Check(name, not found, "none", f"{', '.join(found[:10])}: {why}" if found else "none")
