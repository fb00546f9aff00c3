"""What a database of the clone needs from the server it is loaded into: everything a dump only refers to."""

# ruff: noqa: S608  the catalogs named in the statements are constants
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement.access import one, rows

_SHAPE = """
SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datlocprovider::text,
       {locale}, {rules}, d.datcollversion, pg_database_collation_actual_version(d.oid),
       pg_database_size(d.oid), current_setting('server_version_num')::int / 10000
  FROM pg_database d WHERE d.datname = %s
"""
# The bootstrap superuser is pinned: no dependency entry says what it owns.
_OF_SUPERUSER = " UNION ALL ".join(
    f"SELECT 1 FROM {catalog} o WHERE o.{owner} = 10 AND o.oid >= 16384 AND NOT EXISTS ("
    f"SELECT 1 FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = o.oid"
    " AND e.deptype = 'e')"
    for catalog, owner in (
        ("pg_class", "relowner"), ("pg_proc", "proowner"), ("pg_type", "typowner"),
        ("pg_namespace", "nspowner"), ("pg_publication", "pubowner"), ("pg_foreign_server", "srvowner"),
        ("pg_largeobject_metadata", "lomowner"), ("pg_event_trigger", "evtowner"),
    )
)  # fmt: skip
_ROLES = f"""
SELECT DISTINCT r.rolname::text, r.rolcanlogin FROM pg_roles r
 WHERE r.oid = 10 AND EXISTS ({_OF_SUPERUSER}) OR r.oid IN (
    SELECT s.refobjid FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
     WHERE s.refclassid = 'pg_authid'::regclass AND d.datname = current_database())
 ORDER BY 1
"""
_OWNERS = f"""
SELECT rolname::text FROM pg_roles WHERE oid = 10 AND EXISTS ({_OF_SUPERUSER})
UNION
SELECT DISTINCT pg_get_userbyid(s.refobjid)::text FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
 WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o' AND d.datname = current_database()
"""
_TABLESPACES = """
SELECT DISTINCT t.spcname::text FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
 WHERE t.spcname <> 'pg_global' ORDER BY 1
"""
_EXTENSIONS = "SELECT extname::text, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
_COUNTS = """
SELECT (SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class c
         WHERE c.relkind IN ('r', 'm') AND (c.oid >= 16384 OR c.relname = 'pg_largeobject')),
       (SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'm', 'S', 'v', 'f')),
       (SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'm', 'i', 'I', 't')),
       (SELECT count(*) FROM pg_largeobject_metadata)
"""
_SUPERUSER_ONLY = """
SELECT 'event trigger ' || quote_ident(evtname) FROM pg_event_trigger
UNION ALL
SELECT 'publication ' || quote_ident(p.pubname) FROM pg_publication p
 WHERE p.puballtables OR EXISTS (SELECT 1 FROM pg_publication_namespace n WHERE n.pnpubid = p.oid)
UNION ALL
SELECT 'function ' || p.oid::regprocedure::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.oid >= 16384 AND NOT l.lanpltrusted AND NOT EXISTS (
    SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'foreign-data wrapper ' || quote_ident(w.fdwname) FROM pg_foreign_data_wrapper w WHERE NOT EXISTS (
    SELECT 1 FROM pg_depend d WHERE d.objid = w.oid AND d.deptype = 'e'
       AND d.classid = 'pg_foreign_data_wrapper'::regclass)
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a database is made with and cannot change later. `locale` and `rules`: of ICU and builtin ones."""

    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str | None
    rules: str | None
    collation_version: str | None
    actual_version: str | None
    size_bytes: int
    major: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """roles: whether each may log in. dump_bytes: a bound on what a dump takes. relations: what a dump locks.

    lockable: what one look at every table locks, indexes included.
    """

    shape: Shape
    roles: Mapping[str, bool]
    owners: frozenset[str]
    tablespaces: tuple[str, ...]
    extensions: Mapping[str, str]
    superuser_only: tuple[str, ...]
    dump_bytes: int
    relations: int
    lockable: int
    large_objects: int


def read(connection: Connection) -> Requirements:
    """Of the database one is connected to."""
    dump_bytes, relations, lockable, large_objects = one(connection, _COUNTS)
    return Requirements(
        shape=shape_of(connection, str(one(connection, "SELECT current_database()")[0])),
        roles=dict(rows(connection, _ROLES)),
        owners=frozenset(name for (name,) in rows(connection, _OWNERS)),
        tablespaces=tuple(name for (name,) in rows(connection, _TABLESPACES)),
        extensions=dict(rows(connection, _EXTENSIONS)),
        superuser_only=tuple(name for (name,) in rows(connection, _SUPERUSER_ONLY)),
        dump_bytes=dump_bytes,
        relations=relations,
        lockable=lockable,
        large_objects=large_objects,
    )


def shape_of(connection: Connection, database: str) -> Shape:
    """Of any database of the server."""
    major = connection.info.server_version // 10000
    locale = "d.datlocale" if major >= 17 else "d.daticulocale"
    rules = "d.daticurules" if major >= 16 else "NULL"
    return Shape(*one(connection, _SHAPE.format(locale=locale, rules=rules), database))
