"""What a PostgreSQL server says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.connection import Connection

_FACTS = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
       s.system_identifier::text,
       CASE WHEN pg_is_in_recovery() THEN c.timeline_id
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
       current_setting('data_checksums') = 'on', current_setting('block_size')::int,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
       (SELECT setting::bigint FROM pg_settings WHERE name = 'segment_size'),
       pg_is_in_recovery(), pg_postmaster_start_time(),
       (SELECT setting FROM pg_settings WHERE name = 'data_directory'),
       current_setting('port')::int, current_setting('full_page_writes') = 'on',
       current_setting('wal_level'),
       'PG_' || current_setting('server_version_num')::int / 10000 || '_' || s.catalog_version_no
  FROM pg_control_system() s, pg_control_checkpoint() c
"""
# After a promotion pg_control_checkpoint names the old timeline until the first checkpoint on the new one.
_RIGHTS = """
SELECT r.rolsuper, r.rolsuper OR r.rolreplication,
       has_function_privilege('pg_backup_start(text,boolean)', 'EXECUTE'),
       has_function_privilege('pg_backup_stop(boolean)', 'EXECUTE'),
       has_function_privilege('pg_read_binary_file(text,bigint,bigint,boolean)', 'EXECUTE')
  FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One server's facts. Sizes in bytes; `data_directory` is None when this user may not see it."""

    version: str
    version_number: int
    system_identifier: str
    timeline: int
    checksums: bool
    block_size: int
    wal_segment_size: int
    blocks_per_segment: int
    in_recovery: bool
    started_at: datetime
    data_directory: str | None
    port: int
    full_page_writes: bool
    wal_level: str
    version_directory: str
    """`PG_15_202209061`: where a tablespace keeps this cluster's files."""

    @property
    def major(self) -> int:
        return self.version_number // 10000


@dataclass(frozen=True, slots=True)
class Rights:
    """What the connected user may do."""

    superuser: bool
    replication: bool
    backup_mode: bool
    read_files: bool


@dataclass(frozen=True, slots=True)
class Tablespace:
    """`location` is relative (`pg_tblspc/<oid>`) for one kept inside the data directory."""

    oid: int
    name: str
    location: str


def facts(connection: Connection) -> Server:
    """Everything about the server that a backup depends on."""
    row = _one(connection, _FACTS)
    return Server(*row)


def rights(connection: Connection) -> Rights:
    """What the connected user may do that a backup needs."""
    superuser, replication, start, stop, read = _one(connection, _RIGHTS)
    return Rights(superuser, replication, superuser or (start and stop), superuser or read)


def tablespaces(connection: Connection) -> tuple[Tablespace, ...]:
    """The tablespaces that an administrator made."""
    rows = connection.execute(
        "SELECT oid::bigint, spcname, pg_tablespace_location(oid) FROM pg_tablespace"
        " WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY oid"
    )
    return tuple(Tablespace(*row) for row in rows)


def total_size(connection: Connection) -> int:
    """Bytes of all databases this user may measure."""
    return int(
        _one(
            connection,
            "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database"
            " WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')",
        )[0]
    )


def current_position(connection: Connection, in_recovery: bool) -> str:
    """Where the log is now: the replayed position on a standby."""
    call = "pg_last_wal_replay_lsn()" if in_recovery else "pg_current_wal_lsn()"
    return str(_one(connection, f"SELECT {call}")[0] or "0/0")


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    if row is None:
        raise ForeseenError(
            "postgresql.no_answer",
            "The server answered a question about itself with nothing.",
            "Check that the user's role still exists.",
        )
    return tuple(row)
