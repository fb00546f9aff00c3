"""Whether what the clone's database needs is there on the server it is loaded into."""

from __future__ import annotations

from collections.abc import Iterator

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement import properties, requirements
from dataprotect.engine.databases.postgresql.replacement.access import one, rows
from dataprotect.engine.databases.postgresql.replacement.properties import Properties
from dataprotect.engine.databases.postgresql.replacement.requirements import Requirements, Shape
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest

_LOCKS = """
SELECT current_setting('max_locks_per_transaction')::bigint * (
    current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
"""
_AVAILABLE = """
SELECT a.name::text, a.default_version,
       coalesce((SELECT bool_or(v.trusted) FROM pg_available_extension_versions v
                  WHERE v.name = a.name AND v.version = a.default_version), false)
  FROM pg_available_extensions a WHERE a.name = ANY(%s)
"""
_NOT_MEMBER = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s) AND NOT pg_has_role(oid, 'USAGE')"
_LOCALES = """
SELECT count(*) FROM pg_collation
 WHERE collprovider = 'c' AND (collcollate = %(locale)s
    OR lower(replace(collcollate, '-', '')) = lower(replace(%(locale)s, '-', '')))
"""
_ALWAYS_THERE = ("C", "POSIX")


def checks(
    request: ReplaceRequest, connection: Connection, source: Connection, needed: Requirements,
    carried: Properties,
) -> Iterator[Check]:  # fmt: skip
    """`connection` stands in the target, `source` in the clone's database. `carried`: see `properties`."""
    major = connection.info.server_version // 10000
    superuser = bool(one(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0])
    yield Check(
        "versions", needed.shape.major <= major, f"a server of PostgreSQL {needed.shape.major} or later",
        f"PostgreSQL {major}",
    )  # fmt: skip
    yield _roles(request, connection, needed, carried)
    yield _extensions(request, connection, needed)
    yield _tablespaces(connection, needed)
    yield from _locale(request, connection, needed.shape)
    yield _publications(source)
    if not superuser:
        yield _without_superuser(connection, needed, carried)
    yield _locks(connection, source, needed)
    yield _globals_differ(source, carried, request.target.database)


def _roles(
    request: ReplaceRequest, connection: Connection, needed: Requirements, carried: Properties
) -> Check:
    there = {name for (name,) in rows(connection, "SELECT rolname::text FROM pg_roles")}
    wanted = needed.roles.keys() | carried.roles
    missing = sorted(wanted - there)
    if missing and request.create_roles:
        found = f"{', '.join(missing)} will be created, without password and special rights"
        return Check("roles", True, f"{len(wanted)} roles", found)
    found = f"missing: {', '.join(missing)}" if missing else "all there"
    return Check("roles", not missing, f"{len(wanted)} roles", found)


def _extensions(request: ReplaceRequest, connection: Connection, needed: Requirements) -> Check:
    found = {
        name: (version, trusted)
        for name, version, trusted in rows(connection, _AVAILABLE, [*needed.extensions])
    }
    missing = sorted(needed.extensions.keys() - found.keys())
    other = [
        f"{name} {version} to {found[name][0]}" for name, version in sorted(needed.extensions.items())
        if name in found and found[name][0] != version
    ]  # fmt: skip
    text = f"missing: {', '.join(missing)}: install their packages on the server" if missing else "all there"
    text += f"; other versions: {', '.join(other)}" if other else ""
    return Check("extensions", not missing, ", ".join(needed.extensions) or "none", text)


def _tablespaces(connection: Connection, needed: Requirements) -> Check:
    there = {name for (name,) in rows(connection, "SELECT spcname::text FROM pg_tablespace")}
    missing = [name for name in needed.tablespaces if name not in there]
    found = f"missing: {', '.join(missing)}: create them on the server" if missing else "all there"
    return Check("tablespaces", not missing, ", ".join(needed.tablespaces) or "none", found)


def _locale(request: ReplaceRequest, connection: Connection, shape: Shape) -> Iterator[Check]:
    wanted = f"{shape.encoding}, {shape.locale or shape.collate} ({_provider(shape)})"
    libc = [each for each in {shape.collate, shape.ctype} if each not in _ALWAYS_THERE]
    missing = [
        each for each in libc
        if not connection.execute(_LOCALES.encode(), {"locale": each}).fetchone()[0]  # type: ignore[index]
    ]  # fmt: skip
    if missing:
        yield Check("encoding and locale", False, wanted, f"the server has no locale {', '.join(missing)}")
        return
    found = rows(connection, "SELECT 1 FROM pg_database WHERE datname = %s", request.target.database)
    if not found:
        yield Check("encoding and locale", True, wanted, "can be made")
        return
    yield _as_in_use(request, connection, shape, wanted)


def _as_in_use(request: ReplaceRequest, connection: Connection, shape: Shape, wanted: str) -> Check:
    """A copy that sorts or encodes otherwise than what applications know is not a replacement."""
    found = requirements.shape_of(connection, request.target.database)
    same = (shape.encoding, shape.collate, shape.ctype, shape.provider, shape.locale) == (
        found.encoding, found.collate, found.ctype, found.provider, found.locale
    )  # fmt: skip
    text = f"{found.encoding}, {found.locale or found.collate} ({_provider(found)})"
    if shape.collation_version != found.actual_version:
        text += (
            f"; collation version {shape.collation_version} in the backup, {found.actual_version} on the "
            f"server: indexes are made anew, so they will be right"
        )
    return Check("encoding and locale", same, wanted, text)


def _provider(shape: Shape) -> str:
    return {"c": "libc", "i": "ICU", "b": "builtin"}[shape.provider]


def _publications(source: Connection) -> Check:
    found = [name for (name,) in rows(source, "SELECT pubname::text FROM pg_publication ORDER BY 1")]
    if not found:
        return Check("publications", True, "any", "none")
    text = f"{', '.join(found)}: made anew; subscribers must be told to begin anew as well"
    return Check("publications", True, "any", text)


def _without_superuser(connection: Connection, needed: Requirements, carried: Properties) -> Check:
    """What only a superuser may make, and roles whose membership is needed to hand things over to them."""
    owners = sorted(needed.owners | {carried.owner})
    not_member = [name for (name,) in rows(connection, _NOT_MEMBER, owners)]
    available = {name: trusted for name, _, trusted in rows(connection, _AVAILABLE, [*needed.extensions])}
    problems = [f"membership in {name}" for name in not_member]
    problems += [f"extension {name} (not trusted)" for name in needed.extensions if not available.get(name)]
    problems += list(needed.superuser_only)
    problems += [f"setting {name} of role {role}" for role, name, _ in sorted(carried.settings) if role]
    found = f"a superuser is needed for: {', '.join(problems[:10])}" if problems else "none of it is there"
    return Check("what only a superuser can load", not problems, "nothing", found)


def _locks(connection: Connection, source: Connection, needed: Requirements) -> Check:
    """A dump locks every relation at once, and so does one consistent look at every table and index."""
    clones, servers = (int(one(each, _LOCKS)[0]) for each in (source, connection))
    enough = clones >= max(needed.relations, needed.lockable) and servers >= needed.lockable
    objects = f"{needed.relations} relations, {needed.lockable} tables and indexes"
    objects += f", {needed.large_objects} large objects"
    return Check(
        "locks and objects", enough, objects,
        f"{clones} locks in the clone, {servers} on the server (max_locks_per_transaction)",
    )  # fmt: skip


def _globals_differ(source: Connection, carried: Properties, database: str) -> Check:
    """The one in use decides; that the backup's was otherwise is said, not judged."""
    differing = properties.differences(properties.read(source, database), carried)
    text = (
        f"kept as in use, although the backup's differ: {'; '.join(differing)}" if differing else "the same"
    )
    return Check("owner, privileges and settings", True, "as in use today", text)
