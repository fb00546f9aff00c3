"""What else a restore must know about the server: settings, roles, extensions, tablespaces, configuration
files.
"""

from __future__ import annotations

from typing import Any

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.connection import Connection, connect
from dataprotect.engine.databases.postgresql.server import Server, Tablespace
from dataprotect.engine.model import Address

_SECRET_SETTINGS = ("primary_conninfo", "ssl_passphrase_command", "restore_command", "archive_command")
"""Left out: people write passwords into them."""

_SETTINGS = """
SELECT name, setting, source FROM pg_settings
 WHERE source NOT IN ('default', 'client', 'session', 'override') AND name <> ALL (%s) ORDER BY name
"""
_ROLES = """
SELECT r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls,
       r.rolconnlimit, r.rolvaliduntil::text,
       array(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
              WHERE m.member = r.oid ORDER BY 1)
  FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1
"""
_ROLE_KEYS = (
    "name", "superuser", "create_role", "create_database", "login", "replication", "bypass_rls",
    "connection_limit", "valid_until", "member_of",
)  # fmt: skip
_DATABASES = """
SELECT d.oid::bigint, d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate,
       d.datctype, t.spcname, d.datistemplate, d.datallowconn
  FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace ORDER BY d.datname
"""
_DATABASE_KEYS = (
    "oid", "name", "owner", "encoding", "collate", "ctype", "tablespace", "template", "connectable",
)  # fmt: skip
_EXTENSIONS = "SELECT extname, extversion FROM pg_extension ORDER BY extname"
_LIBRARIES = ("shared_preload_libraries", "session_preload_libraries", "local_preload_libraries")


def record(
    address: Address, connection: Connection, server: Server, spaces: tuple[Tablespace, ...]
) -> dict[str, Any]:
    """The attachment "server" of a backup: JSON-ready, with names of data, without any password."""
    settings = connection.execute(_SETTINGS, (list(_SECRET_SETTINGS),)).fetchall()
    databases = [dict(zip(_DATABASE_KEYS, row, strict=True)) for row in connection.execute(_DATABASES)]
    return {
        "version": server.version,
        "version_number": server.version_number,
        "system_identifier": server.system_identifier,
        "data_directory": server.data_directory,
        "block_size": server.block_size,
        "wal_segment_size": server.wal_segment_size,
        "checksums": server.checksums,
        "settings": {name: {"value": value, "source": source} for name, value, source in settings},
        "preload_libraries": _libraries(settings),
        "tablespaces": [
            {"oid": space.oid, "name": space.name, "location": space.location} for space in spaces
        ],
        "roles": [dict(zip(_ROLE_KEYS, row, strict=True)) for row in connection.execute(_ROLES)],
        "databases": databases,
        "extensions": {
            each["name"]: _extensions(address, each["name"])
            for each in databases
            if each["connectable"] and not each["template"]
        },
    }


def _libraries(settings: list[tuple[Any, ...]]) -> list[str]:
    found = [value for name, value, _ in settings if name in _LIBRARIES and value]
    return sorted({part.strip().strip('"') for value in found for part in value.split(",") if part.strip()})


def _extensions(address: Address, database: str) -> dict[str, str] | None:
    """Extension versions by name; None where we may not enter."""
    try:
        with connect(address, database=database, statement_timeout=30) as connection:
            return {str(name): str(version) for name, version in connection.execute(_EXTENSIONS)}
    except (ForeseenError, psycopg.Error):
        return None
