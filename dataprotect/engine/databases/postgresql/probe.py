"""The connection test: what a server is, and what would stand in the way of a backup. Changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg

from dataprotect.core import validation
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql import local_access, server, slots
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen, replicate
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE
from dataprotect.engine.model import Address, DatabaseInfo, Probe, Source

_STATEMENT_TIMEOUT = 30.0
_CLOCK_LIMIT = 2.0
_LIST = """
SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
                     THEN pg_database_size(oid) ELSE 0 END
  FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""
_TABLES = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_(toast|temp)'
"""


def probe(source: Source) -> Probe:
    """Connect, look around and say what was found. Raises ForeseenError when it cannot even connect."""
    address = source.address
    with (
        connect(address, statement_timeout=_STATEMENT_TIMEOUT, application="dataprotect probe") as connection,
        foreseen(address, "looking at the server"),
    ):
        facts = server.facts(connection)
        rights = server.rights(connection)
        skew = clock_skew(connection)
        access = local_access.look(source.data_directory, facts)
        encrypted, protocol = _encryption(connection)
        return Probe(
            engine="postgresql",
            version=facts.version,
            version_number=facts.version_number,
            system_identifier=facts.system_identifier,
            encrypted=encrypted,
            tls_protocol=protocol,
            data_directory=facts.data_directory or _text(source.data_directory),
            data_directory_readable=access.directory is not None,
            data_checksums=facts.checksums,
            in_recovery=facts.in_recovery,
            timeline=facts.timeline,
            position=server.current_position(connection, facts.in_recovery),
            size_bytes=server.total_size(connection),
            databases=databases(address),
            clock_skew_seconds=skew,
            warnings=(*_warnings(address, facts, rights, access, skew), *_slot_warnings(connection)),
        )


def databases(address: Address) -> tuple[DatabaseInfo, ...]:
    """Every database one can connect to, templates left out; the table count is None where we may not
    enter.
    """
    with (
        connect(address, statement_timeout=_STATEMENT_TIMEOUT) as connection,
        foreseen(address, "listing the databases"),
    ):
        rows = connection.execute(_LIST).fetchall()
    return tuple(
        DatabaseInfo(name, size, _count_tables(address, name), _is_safe(name)) for name, size in rows
    )


def clock_skew(connection: Connection) -> float:
    """Seconds the server's clock is ahead of ours, by the quickest of three round trips."""
    best: tuple[float, float] | None = None
    for _ in range(3):
        before = datetime.now(UTC)
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        after = datetime.now(UTC)
        trip = (after - before).total_seconds()
        if row and (best is None or trip < best[0]):
            best = (trip, (row[0] - before).total_seconds() - trip / 2)
    return round(best[1], 3) if best else 0.0


def _is_safe(name: str) -> bool:
    try:
        validation.database_name(name)
    except InvalidInput:
        return False
    return True


def _count_tables(address: Address, name: str) -> int | None:
    try:
        with connect(address, database=name, statement_timeout=_STATEMENT_TIMEOUT) as connection:
            row = connection.execute(_TABLES).fetchone()
            return int(row[0]) if row else None
    except (ForeseenError, psycopg.Error):
        return None


def _encryption(connection: Connection) -> tuple[bool, str | None]:
    row = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    return (bool(row[0]), row[1]) if row else (False, None)


def _warnings(
    address: Address,
    facts: server.Server,
    rights: server.Rights,
    access: local_access.LocalAccess,
    skew: float,
) -> list[str]:
    found = []
    if facts.in_recovery:
        found.append("The server is a standby; backups are taken from the primary.")
    if facts.wal_level == "minimal":
        found.append(
            "wal_level is minimal: set it to replica and restart the server, or no backup can be taken."
        )
    if not rights.replication:
        found.append(f"The user {address.user} lacks the REPLICATION right, which every backup needs.")
    else:
        found.extend(_replication_problem(address))
    if access.directory is None:
        found.append(f"The local reader cannot be used: {access.reason}")
    elif not rights.backup_mode:
        found.append(
            f"The local reader cannot be used: {address.user} may not execute pg_backup_start"
            " and pg_backup_stop."
        )
    if not facts.checksums:
        found.append("The cluster has no data checksums: damaged pages cannot be recognised while read.")
    elif facts.block_size != PAGE_SIZE:
        found.append(f"Pages are {facts.block_size} bytes; checksums are only checked for {PAGE_SIZE}.")
    if abs(skew) > _CLOCK_LIMIT:
        found.append(f"The server's clock is {skew:+.1f} s off the worker's; times in reports may mislead.")
    return found


def _slot_warnings(connection: Connection) -> list[str]:
    return [
        f"The server keeps log for the slot {name} without a limit: while no collector runs, its disk fills. "
        "Set max_slot_wal_keep_size to less than that disk has room for."
        for name in slots.without_limit(connection)
    ]


def _replication_problem(address: Address) -> list[str]:
    """Try a replication connection: rights alone do not tell what pg_hba.conf says."""
    try:
        replicate(address, application="dataprotect probe").close()
    except ForeseenError as error:
        return [f"{error.message} {error.action}"]
    return []


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
