"""What an undo writes: the inverse of what was done, of the rows that nobody wrote since."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import staging, undo_record
from dataprotect.engine.databases.postgresql.table_rescue.catalog import one
from dataprotect.engine.databases.postgresql.table_rescue.reading import DIGEST, OCCURRENCE, every, listed
from dataprotect.engine.databases.postgresql.table_rescue.staging import OPERATION, Part

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Left:
    """Rows somebody wrote since the rescue, the first few in words."""

    count: int
    rows: tuple[str, ...]


def stage(connection: Connection, restore_id: str, part: Part) -> Left:
    """Fill the stage of `part` from the undo record. The rows found are locked until the transaction ends."""
    names = _names(restore_id, part)
    if part.reading.key:
        connection.execute(_filled(_LOCK, names))
    statements = _KEYED if part.reading.key else _UNKEYED
    for statement in statements:
        connection.execute(_filled(statement, names))
    connection.execute(sql.SQL("ANALYZE {}").format(part.stage))
    done = sum(staging.staged(connection, part).values())
    count = int(one(connection, _filled(_TOTAL, names))[0]) - done
    return Left(count, _in_words(connection, part, names) if count else ())


def _names(restore_id: str, part: Part) -> dict[str, sql.Composable]:
    reading = part.reading
    keys = [sql.Identifier(each.name) for each in reading.key]
    return {
        "done": undo_record.place(restore_id, f"done_{part.number}"),
        "old": undo_record.place(restore_id, f"old_{part.number}"),
        "stage": part.stage,
        "rows": reading.rows,
        "digest": DIGEST,
        "occurrence": OCCURRENCE,
        "op": OPERATION,
        "columns": part.identifiers,
        "keys": listed(keys),
        "done_keys": listed(sql.SQL("d.{}").format(key) for key in keys),
        "old_columns": listed(sql.Identifier("o", name) for name in part.columns),
        "old_digest": reading.digest_of("o"),
        "row_digest": reading.row_digest,
        "same_done": reading.same_key("d"),
        "same_old": reading.same_key("o") if reading.key else sql.SQL(""),
        "done_old": every(
            sql.SQL("o.{0} {1} d.{0}").format(sql.Identifier(each.name), each.equals) for each in reading.key
        ),
        "done_texts": listed(sql.SQL("d.{}::text").format(key) for key in keys),
        "old_texts": listed(sql.SQL("o.{}::text").format(key) for key in keys),
        "staged_done": every(
            sql.SQL("s.{0} {1} d.{0}").format(sql.Identifier(each.name), each.equals) for each in reading.key
        ),
        "shown": sql.Literal(_SHOWN),
    }


def _in_words(connection: Connection, part: Part, names: dict[str, sql.Composable]) -> tuple[str, ...]:
    if not part.reading.key:
        return ("they were changed or deleted since.",)
    rows = connection.execute(_filled(_LEFT, names)).fetchall()
    return tuple(f"({', '.join(key)}) was {what}." for key, what in rows)


def _filled(statement: str, names: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(statement).format(**names)


_LOCK = "SELECT count(*) FROM (SELECT FROM {done} AS d JOIN {rows} ON {same_done} FOR UPDATE OF r) AS locked"
_TOTAL = "SELECT (SELECT count(*) FROM {done}) + (SELECT count(*) FROM {old} WHERE {op} = 'D')"
_KEYED = (
    "INSERT INTO {stage} ({op}, {keys}) SELECT 'D', {done_keys} FROM {done} AS d JOIN {rows} ON {same_done} "
    "WHERE d.{op} = 'I' AND {row_digest} = d.{digest}",
    "INSERT INTO {stage} ({op}, {digest}, {columns}) SELECT 'U', {old_digest}, {old_columns} "
    "FROM {done} AS d JOIN {rows} ON {same_done} JOIN {old} AS o ON {done_old} AND o.{op} = 'U' "
    "WHERE d.{op} = 'U' AND {row_digest} = d.{digest}",
    "INSERT INTO {stage} ({op}, {digest}, {columns}) SELECT 'I', {old_digest}, {old_columns} FROM {old} AS o "
    "WHERE o.{op} = 'D' AND NOT EXISTS (SELECT FROM {rows} WHERE {same_old})",
)
_UNKEYED = (
    "INSERT INTO {stage} ({op}, {digest}, {occurrence}) SELECT 'D', d.{digest}, d.{occurrence} FROM ("
    "SELECT {digest}, row_number() OVER (PARTITION BY {digest}) AS {occurrence} FROM {done} WHERE {op} = 'I'"
    ") AS d JOIN {rows} ON {same_done}",
    "INSERT INTO {stage} ({op}, {digest}, {columns}) SELECT 'I', {old_digest}, {old_columns} FROM {old} AS o "
    "WHERE o.{op} = 'D'",
)
_LEFT = (
    "SELECT * FROM (SELECT ARRAY[{done_texts}], CASE WHEN EXISTS (SELECT FROM {rows} WHERE {same_done}) "
    "THEN 'changed since' ELSE 'deleted since' END FROM {done} AS d "
    "WHERE NOT EXISTS (SELECT FROM {stage} AS s WHERE {staged_done}) "
    "UNION ALL SELECT ARRAY[{old_texts}], 'written anew since' FROM {old} AS o "
    "WHERE o.{op} = 'D' AND EXISTS (SELECT FROM {rows} WHERE {same_old})) AS l LIMIT {shown}"
)
