"""What a database carries besides its contents: owner, privileges, limit, settings, comment, labels.

A dump does not hold these. They are taken from the database in use, which is how it is run today; from the
clone's only when there is none in use (it was dropped).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement.access import one, rows

_DATABASE = """
SELECT d.oid::bigint, pg_get_userbyid(d.datdba), d.datconnlimit, t.spcname::text,
       shobj_description(d.oid, 'pg_database')
  FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = %s
"""
_PRIVILEGES = """
SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable
  FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.oid = %s
 ORDER BY 1, 2
"""
_SETTINGS = """
SELECT CASE WHEN s.setrole = 0 THEN '' ELSE pg_get_userbyid(s.setrole) END, line
  FROM pg_db_role_setting s, unnest(s.setconfig) line WHERE s.setdatabase = %s ORDER BY 1, 2
"""
_LABELS = """
SELECT provider, label FROM pg_shseclabel
 WHERE classoid = 'pg_database'::regclass AND objoid = %s ORDER BY 1
"""
_LISTS = frozenset(
    {
        "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
        "temp_tablespaces", "unix_socket_directories",
    }
)  # fmt: skip
"""Settings whose stored value is a list of quoted names (pg_dump's variable_is_guc_list_quote)."""


@dataclass(frozen=True, slots=True)
class Properties:
    """privileges: (grantee, right, grantable), "" is PUBLIC. settings: (role, name, value), "" is all."""

    owner: str
    connection_limit: int
    tablespace: str
    comment: str | None
    privileges: frozenset[tuple[str, str, bool]]
    settings: frozenset[tuple[str, str, str]]
    labels: frozenset[tuple[str, str]]

    @property
    def roles(self) -> set[str]:
        """Every role that is named."""
        named = {grantee for grantee, _, _ in self.privileges} | {role for role, _, _ in self.settings}
        return (named | {self.owner}) - {""}


def read(connection: Connection, database: str) -> Properties:
    """Of the database of that name, from whatever database one stands in."""
    oid, owner, limit, tablespace, comment = one(connection, _DATABASE, database)
    settings = (_setting(role, line) for role, line in rows(connection, _SETTINGS, oid))
    return Properties(
        owner=owner,
        connection_limit=limit,
        tablespace=tablespace,
        comment=comment,
        privileges=frozenset((who, what, grant) for who, what, grant in rows(connection, _PRIVILEGES, oid)),
        settings=frozenset(settings),
        labels=frozenset((provider, label) for provider, label in rows(connection, _LABELS, oid)),
    )


def apply(connection: Connection, database: str, wanted: Properties) -> None:
    """Make the database's properties the wanted ones, tablespace excepted. Touches only what differs."""
    name = sql.Identifier(database)
    found = read(connection, database)
    if found.owner != wanted.owner:
        _do(connection, "ALTER DATABASE {} OWNER TO {}", name, sql.Identifier(wanted.owner))
        found = read(connection, database)  # the owner's own privileges moved along
    if found.connection_limit != wanted.connection_limit:
        _do(connection, "ALTER DATABASE {} CONNECTION LIMIT {}", name, sql.Literal(wanted.connection_limit))
    if found.comment != wanted.comment:
        _do(connection, "COMMENT ON DATABASE {} IS {}", name, sql.Literal(wanted.comment))
    _apply_privileges(connection, name, found, wanted)
    _apply_settings(connection, name, found, wanted)
    for provider, label in sorted(wanted.labels - found.labels):
        _do(
            connection, "SECURITY LABEL FOR {} ON DATABASE {} IS {}",
            sql.Identifier(provider), name, sql.Literal(label),
        )  # fmt: skip


def differences(wanted: Properties, found: Properties, but: Collection[str] = ()) -> list[str]:
    """Sentences, the comment left out: a staged database carries a note of ours."""
    compared = ("owner", "connection_limit", "tablespace", "privileges", "settings", "labels")
    return [
        f"{field.replace('_', ' ')}: expected {_shown(getattr(wanted, field))}, "
        f"found {_shown(getattr(found, field))}"
        for field in compared
        if field not in but and getattr(wanted, field) != getattr(found, field)
    ]


def _apply_privileges(
    connection: Connection, name: sql.Identifier, found: Properties, wanted: Properties
) -> None:
    for grantee, right, _ in sorted(found.privileges - wanted.privileges):
        _do(connection, "REVOKE {} ON DATABASE {} FROM {}", sql.SQL(_right(right)), name, _grantee(grantee))
    for grantee, right, grantable in sorted(wanted.privileges - found.privileges):
        option = sql.SQL(" WITH GRANT OPTION" if grantable else "")
        _do(
            connection, "GRANT {} ON DATABASE {} TO {}{}",
            sql.SQL(_right(right)), name, _grantee(grantee), option,
        )  # fmt: skip


def _apply_settings(
    connection: Connection, name: sql.Identifier, found: Properties, wanted: Properties
) -> None:
    for role, setting, _ in sorted(found.settings - wanted.settings):
        _do(connection, "ALTER {} RESET {}", _whose(role, name), _parameter(setting))
    for role, setting, value in sorted(wanted.settings - found.settings):
        _do(
            connection, "ALTER {} SET {} TO {}",
            _whose(role, name), _parameter(setting), _value(setting, value),
        )  # fmt: skip


def _whose(role: str, name: sql.Identifier) -> sql.Composable:
    if not role:
        return sql.SQL("DATABASE {}").format(name)
    return sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), name)


def _parameter(setting: str) -> sql.Identifier:
    """An extension's setting has two parts: `pg_trgm.similarity_threshold`."""
    return sql.Identifier(*setting.split("."))


def _value(setting: str, value: str) -> sql.Composable:
    if setting.lower() not in _LISTS:
        return sql.Literal(value)
    return sql.SQL(", ").join([sql.Literal(each) for each in listed(value)]) if value else sql.Literal("")


def listed(value: str) -> list[str]:
    """The names of a stored list such as `"$user", public`."""
    names: list[str] = []
    current, quoted, position = "", False, 0
    while position < len(value):
        character = value[position]
        if quoted and character == '"' and value[position + 1 : position + 2] == '"':
            current, position = current + '"', position + 1
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            names, current = [*names, current], ""
        elif quoted or not character.isspace():
            current += character
        position += 1
    return [*names, current]


def _setting(role: str, line: str) -> tuple[str, str, str]:
    name, _, value = line.partition("=")
    return role, name, value


def _right(privilege: str) -> str:
    if privilege not in ("CREATE", "CONNECT", "TEMPORARY"):
        raise ValueError(f"a database has no privilege {privilege!r}")
    return privilege


def _grantee(name: str) -> sql.Composable:
    return sql.Identifier(name) if name else sql.SQL("PUBLIC")


def _shown(value: object) -> str:
    return ", ".join(sorted(map(str, value))) or "none" if isinstance(value, frozenset) else str(value)


def _do(connection: Connection, statement: str, *parts: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(*parts))
