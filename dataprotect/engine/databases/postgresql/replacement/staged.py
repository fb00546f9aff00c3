"""The staged database: made empty beside the one in use, marked with how far it is, dropped on failure."""

from __future__ import annotations

from dataclasses import replace

import psycopg
from psycopg import sql

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement import messages, properties
from dataprotect.engine.databases.postgresql.replacement.access import oid_of, rows, run, said, standing_in
from dataprotect.engine.databases.postgresql.replacement.properties import Properties
from dataprotect.engine.databases.postgresql.replacement.requirements import Shape
from dataprotect.engine.replace_model import ReplaceTarget

_COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
_ANYTHING = """
SELECT 1 FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL SELECT 1 FROM pg_largeobject_metadata LIMIT 1
"""
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def note(restore_id: str, complete: bool) -> str:
    """The comment's first line, by which people, and a run that was resumed, know it."""
    what = "loaded, not in use" if complete else "being loaded"
    return f"DataProtect restore {restore_id}: {what}"


def comment_of(connection: Connection, name: str) -> str | None:
    found = rows(connection, _COMMENT, name)
    return found[0][0] if found else None


def is_complete(comment: str | None, restore_id: str) -> bool:
    return (comment or "").partition("\n")[0] == note(restore_id, complete=True)


def own_comment(comment: str | None) -> str | None:
    """What the database shall be said to be once it is in use: what follows the note."""
    return (comment or "").partition("\n")[2] or None


def create(
    connection: Connection, name: str, restore_id: str, shape: Shape, major: int, wanted: Properties
) -> int:
    """Empty, from template0, with the clone's encoding and locale; nobody else may enter. Returns its oid."""
    parts = [
        sql.SQL("TEMPLATE template0"),
        sql.SQL("ENCODING {}").format(sql.Literal(shape.encoding)),
        sql.SQL("LOCALE_PROVIDER {}").format(sql.Identifier(_PROVIDERS[shape.provider])),
        sql.SQL("LC_COLLATE {}").format(sql.Literal(shape.collate)),
        sql.SQL("LC_CTYPE {}").format(sql.Literal(shape.ctype)),
        sql.SQL("TABLESPACE {}").format(sql.Identifier(wanted.tablespace)),
        sql.SQL("OWNER {}").format(sql.Identifier(wanted.owner)),
        *_locale(shape, major),
    ]
    database = sql.Identifier(name)
    try:
        connection.execute(sql.SQL("CREATE DATABASE {} {}").format(database, sql.SQL(" ").join(parts)))
    except psycopg.errors.DiskFull as error:
        raise messages.no_room(said(error)) from None
    run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
    _mark(connection, name, note(restore_id, complete=False))
    oid = oid_of(connection, name)
    assert oid is not None  # noqa: S101  made a moment ago
    steps.reached("replace.staged_created")
    return oid


def complete(connection: Connection, name: str, restore_id: str, wanted: Properties, in_use: bool) -> None:
    """Give it what it shall carry, and say that it is whole, in one transaction.

    What the one in use limits is copied in the swap: until then it might keep ourselves out.
    """
    comment = "\n".join([note(restore_id, complete=True), *([wanted.comment] if wanted.comment else [])])
    limit = -1 if in_use else wanted.connection_limit
    dressed = replace(wanted, connection_limit=limit, comment=comment)
    with connection.transaction():
        properties.apply(connection, name, dressed)
    steps.reached("replace.staged_complete")


def drop(connection: Connection, name: str) -> None:
    """End whatever still works in it, and drop it. Nothing happens when it is not there."""
    if oid_of(connection, name) is not None:
        run(connection, "DROP DATABASE {} WITH (FORCE)", name)


def drop_leftover(connection: Connection, target: ReplaceTarget, name: str, restore_id: str) -> None:
    """What a dead run left of the staged database. Raises `replace.name_taken` when it is somebody else's."""
    if (reason := foreign(connection, target, name, restore_id)) is not None:
        raise ForeseenError(
            "replace.name_taken",
            f"There is a database {name} already, and {reason}.",
            "Rename or drop it yourself, or use another restore id; nothing was changed.",
        )
    drop(connection, name)


def foreign(connection: Connection, target: ReplaceTarget, name: str, restore_id: str) -> str | None:
    """Why a database by the staged one's name is not ours; None when it is, or when there is none.

    A run can die before it wrote its note: what has none and is empty is taken for ours.
    """
    comment = comment_of(connection, name)
    notes = (note(restore_id, complete=False), note(restore_id, complete=True))
    if oid_of(connection, name) is None or (comment or "").partition("\n")[0] in notes:
        return None
    if comment:
        return "it carries no note of this restore"
    with standing_in(target, "looking into a database of that name", database=name, seconds=60) as inside:
        return "it is not empty" if rows(inside, _ANYTHING) else None


def create_roles(connection: Connection, needed: dict[str, bool], wanted: bool) -> tuple[str, ...]:
    """Roles that are missing, made when `wanted`: without password and without any special right.

    needed: by name, whether it may log in. Raises `replace.role_missing`, naming all of them, otherwise.
    """
    there = {name for (name,) in rows(connection, "SELECT rolname::text FROM pg_roles")}
    missing = sorted(needed.keys() - there)
    if missing and not wanted:
        raise ForeseenError(
            "replace.role_missing",
            f"The server lacks roles that the database refers to: {', '.join(missing)}.",
            "Create them, or ask for missing roles to be created (without a password).",
        )
    for name in missing:
        run(connection, f"CREATE ROLE {{}} {'LOGIN' if needed[name] else 'NOLOGIN'}", name)
    return tuple(missing)


def _mark(connection: Connection, name: str, text: str) -> None:
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
    )


def _locale(shape: Shape, major: int) -> list[sql.Composed]:
    if shape.locale is None:
        return []
    word = "BUILTIN_LOCALE" if shape.provider == "b" else "ICU_LOCALE"
    parts = [sql.SQL(word + " {}").format(sql.Literal(shape.locale))]
    if shape.rules is not None and major >= 16:
        parts.append(sql.SQL("ICU_RULES {}").format(sql.Literal(shape.rules)))
    return parts
