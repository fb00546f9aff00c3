"""From staged rows to written ones, the same for a rescue and for its undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from dataprotect.core import steps
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import change, foreign_keys, session, triggers
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing, Written
from dataprotect.engine.databases.postgresql.table_rescue.foreign_keys import Reference
from dataprotect.engine.databases.postgresql.table_rescue.triggers import Handling
from dataprotect.engine.table_rescue_model import TableName


def known_references(connection: Connection, parts: Sequence[Replacing]) -> list[Reference]:
    """Foreign keys that touch any of these tables, each once."""
    found = {
        (reference.key.table, reference.key.name, reference.key.referenced): reference
        for each in parts
        for reference in foreign_keys.references(connection, each.part.table.oid)
    }
    return [found[key] for key in sorted(found)]


def apply(
    connection: Connection, parts: Sequence[Replacing], known: Sequence[Reference], handled: Handling
) -> list[Written]:
    """Keep what is replaced, refuse what would break, write. Raises `table_rescue.foreign_keys`."""
    for each in parts:
        change.keep_old(connection, each)
        change.prepare(connection, each)
    steps.reached("table_rescue.kept")
    if sentences := foreign_keys.standing_in_the_way(connection, known, by_name(parts)):
        raise session.refused_reference(" ".join(sentences))
    with triggers.asleep(connection, handled), session.as_application(connection):
        written = change.write(connection, parts)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for each in parts:
        connection.execute(sql.SQL("ANALYZE {}").format(each.part.written))
    steps.reached("table_rescue.written")
    return written


def by_name(parts: Sequence[Replacing]) -> Mapping[TableName, Replacing]:
    return {each.part.table.name: each for each in parts}
