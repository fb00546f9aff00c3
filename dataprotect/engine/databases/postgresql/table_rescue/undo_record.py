"""The undo record: a schema of the live database, written in the transaction of the rescue itself.

| table | what it holds |
|---|---|
| `rescue` | one row: state, what was done, what the undo needs to know |
| `old_<n>` | the rows of the n-th table that were overwritten or deleted, whole |
| `done_<n>` | key (or digest) of every row written, and the digest it was left with |
| `large_objects` | the large objects that were created |
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue.catalog import one
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing
from dataprotect.engine.databases.postgresql.table_rescue.large_objects import Restored
from dataprotect.engine.databases.postgresql.table_rescue.reading import DIGEST, listed
from dataprotect.engine.databases.postgresql.table_rescue.staging import OPERATION
from dataprotect.engine.model import as_plain
from dataprotect.engine.table_rescue_model import (
    RescueResult,
    State,
    UndoResult,
    rescue_from_plain,
    undo_from_plain,
)

PREFIX = "dataprotect_undo_"
_ID = re.compile(r"[a-z0-9_]{1,40}")
_OWNER = """
SELECT n.nspowner = r.oid OR o.rolsuper, o.rolname FROM pg_namespace n
JOIN pg_roles o ON o.oid = n.nspowner JOIN pg_roles r ON r.rolname = current_user WHERE n.nspname = %s
"""


@dataclass(frozen=True, slots=True)
class KeptTable:
    """What an undo must know of one table. columns: those in `old_<n>`; key empty: told apart by digest.

    beside: the table that was made; then `rows` and `digest` are of its content.
    """

    number: int
    schema: str
    table: str
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    beside: str = ""
    rows: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    state: State
    tables: tuple[KeptTable, ...]
    rescued: RescueResult
    undone: UndoResult | None
    at: datetime


def check_restore_id(restore_id: str) -> str:
    if not _ID.fullmatch(restore_id):
        raise InvalidInput("restore_id", "Expected 1 to 40 small letters, digits and _.")
    return restore_id


def schema(restore_id: str) -> str:
    return PREFIX + check_restore_id(restore_id)


def place(restore_id: str, table: str) -> sql.Identifier:
    return sql.Identifier(schema(restore_id), table)


def read(connection: Connection, restore_id: str) -> Record | None:
    """None when no rescue of this id was committed. Raises when the schema is somebody else's."""
    owner = connection.execute(_OWNER.encode(), [schema(restore_id)]).fetchone()
    if owner is None:
        return None
    if not owner[0]:
        raise ForeseenError(
            "table_rescue.foreign_schema",
            f"The schema {schema(restore_id)} belongs to {owner[1]}; what it says is not trusted.",
            "Enter with the account that did the rescue, or look who made this schema.",
        )
    state, tables, rescued, undone, at = one(
        connection,
        sql.SQL("SELECT state, tables, rescued, undone, at FROM {}").format(place(restore_id, "rescue")),
    )
    return Record(
        state,
        tuple(_kept(each) for each in json.loads(tables)),
        rescue_from_plain(json.loads(rescued)),
        undo_from_plain(json.loads(undone)) if undone else None,
        at,
    )


def create(connection: Connection, restore_id: str) -> None:
    """The empty record. Its tables have primary keys where rows change, or a publication would refuse it."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema(restore_id))))
    for table, columns in (
        (
            "rescue",
            "restore_id text PRIMARY KEY, state text NOT NULL, tables text NOT NULL, rescued text NOT NULL, "
            "undone text, at timestamptz NOT NULL DEFAULT transaction_timestamp()",
        ),
        ("large_objects", "number integer, object oid, size bigint, digest text"),
    ):
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(place(restore_id, table), sql.SQL(columns)))


def keep_done(connection: Connection, restore_id: str, replacing: Replacing) -> None:
    """Remember every row written, as it was left: triggers may have changed it."""
    whole = replacing.whole
    keys = [sql.Identifier("r", each.name) for each in whole.key]
    query = sql.SQL("CREATE TABLE {} AS SELECT {} FROM {} AS w JOIN {} AS r ON {}").format(
        place(restore_id, f"done_{replacing.part.number}"),
        listed([sql.SQL("w.{}").format(OPERATION), *keys, _named_digest(whole.row_digest)]),
        replacing.part.written,
        replacing.part.table.quoted,
        replacing.found_again,
    )
    connection.execute(query)


def keep_large_objects(
    connection: Connection, restore_id: str, number: int, restored: Sequence[Restored]
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s)").format(place(restore_id, "large_objects")),
            [(number, each.oid, each.size, each.digest) for each in restored],
        )


def commit_rescue(connection: Connection, tables: Sequence[KeptTable], result: RescueResult) -> None:
    """The mark by which everybody knows that it was done, once the transaction is."""
    connection.execute(
        sql.SQL("INSERT INTO {} (restore_id, state, tables, rescued) VALUES (%s, 'done', %s, %s)").format(
            place(result.restore_id, "rescue")
        ),
        [result.restore_id, json.dumps([asdict(each) for each in tables]), json.dumps(as_plain(result))],
    )


def commit_undo(connection: Connection, result: UndoResult) -> None:
    connection.execute(
        sql.SQL("UPDATE {} SET state = 'undone', undone = %s, at = transaction_timestamp()").format(
            place(result.restore_id, "rescue")
        ),
        [json.dumps(as_plain(result))],
    )


def size(connection: Connection, restore_id: str) -> int:
    """Bytes on the server's disks."""
    query = b"""
        SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'"""
    return int(one(connection, query, schema(restore_id))[0])


def drop(connection: Connection, restore_id: str) -> None:
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema(restore_id))))


def _kept(found: dict[str, Any]) -> KeptTable:
    return KeptTable(**{**found, "columns": tuple(found["columns"]), "key": tuple(found["key"])})


def _named_digest(digest: sql.Composed) -> sql.Composed:
    return sql.SQL("{} AS {}").format(digest, DIGEST)
