"""Write the staged rows of all tables in one statement, keeping what they replace.

One statement, because the server checks foreign keys when a statement ends: so neither the order of the
tables nor cycles between them matter. Inside it each table's deletes come before its updates and these
before its inserts, since each step counts the rows of the one before: a unique value may pass from one row
to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue.catalog import one
from dataprotect.engine.databases.postgresql.table_rescue.reading import (
    DIGEST,
    Reading,
    listed,
)
from dataprotect.engine.databases.postgresql.table_rescue.staging import NUMBER, OPERATION, Part

_TABLE = sql.Identifier("dataprotect table")
_PLACE = sql.Identifier("dataprotect place")


@dataclass(frozen=True, slots=True)
class Replacing:
    """A part, and the table that keeps the rows it replaces. kept_columns: all that are not generated."""

    part: Part
    old: sql.Identifier

    table_column = _TABLE
    place_column = _PLACE

    @property
    def kept_columns(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.part.table.columns if not each.generated)

    @property
    def whole(self) -> Reading:
        """Rows told apart as before, with the digest of everything they hold."""
        reading = self.part.reading
        return Reading(reading.table, reading.key, self.kept_columns)

    @property
    def settable(self) -> tuple[str, ...]:
        """What an UPDATE may set."""
        keys = {each.name for each in self.part.reading.key}
        fixed = {each.name for each in self.part.table.columns if each.identity == "a"}
        return tuple(name for name in self.part.columns if name not in keys | fixed)

    @property
    def identity(self) -> sql.Composed:
        """What finds a written row again: its key, or its place for as long as nobody moves it."""
        if not self.part.reading.key:
            return sql.SQL("t.tableoid AS {}, t.ctid AS {}").format(_TABLE, _PLACE)
        return listed(sql.Identifier("t", each.name) for each in self.part.reading.key)

    @property
    def found_again(self) -> sql.Composed:
        """Whether the row `r` is the row `w` of the written ones."""
        if self.part.reading.key:
            return self.part.reading.same_key("w")
        return sql.SQL("r.tableoid = w.{} AND r.ctid = w.{}").format(_TABLE, _PLACE)

    def written_rows(self, alias: str) -> sql.Composed:
        """The written rows as they are now, for FROM."""
        return sql.SQL("(SELECT r.* FROM {} AS w JOIN {} AS r ON {}) AS {}").format(
            self.part.written, self.part.table.quoted, self.found_again, sql.Identifier(alias)
        )

    def written_places(self, alias: str) -> sql.Composed:
        """Where the written rows lie, for FROM: their system columns `tableoid` and `ctid`."""
        return sql.SQL("(SELECT r.tableoid, r.ctid FROM {} AS w JOIN {} AS r ON {}) AS {}").format(
            self.part.written, self.part.table.quoted, self.found_again, sql.Identifier(alias)
        )

    def digests(self, digested: Sequence[str]) -> sql.Composed:
        """Digests over these columns of the written rows: a query."""
        reading = Reading(self.part.table, self.part.reading.key, tuple(digested))
        return sql.SQL("SELECT {} AS {} FROM {} AS w JOIN {} AS r ON {}").format(
            reading.row_digest, DIGEST, self.part.written, self.part.table.quoted, self.found_again
        )


@dataclass(frozen=True, slots=True)
class Written:
    deleted: int
    updated: int
    inserted: int


def keep_old(connection: Connection, replacing: Replacing) -> None:
    """Lock the rows to overwrite or delete and keep their versions; then settle what became of the rest.

    A row to overwrite that went meanwhile is inserted; one to delete that went is no more work.
    """
    part, reading = replacing.part, replacing.part.reading
    lock = sql.SQL(" FOR UPDATE OF r") if reading.key else sql.SQL("")  # without: the table is locked
    kept = listed(sql.Identifier("r", name) for name in replacing.kept_columns)
    connection.execute(
        sql.SQL(
            "CREATE TABLE {old} AS SELECT s.{number}, s.{op}, {place_table} AS {table}, "
            "{place_row} AS {place}, {kept} FROM {stage} AS s JOIN {rows} ON {same} "
            "WHERE s.{op} IN ('U', 'D'){lock}"
        ).format(
            old=replacing.old, number=NUMBER, op=OPERATION, place_table=reading.place[0],
            place_row=reading.place[1], table=_TABLE, place=_PLACE, kept=kept, stage=part.stage,
            rows=reading.rows, same=reading.same_key("s"), lock=lock,
        )
    )  # fmt: skip
    connection.execute(sql.SQL("ANALYZE {}").format(replacing.old))
    names = {"stage": part.stage, "old": replacing.old, "op": OPERATION, "number": NUMBER}
    gone = sql.SQL("NOT EXISTS (SELECT FROM {old} AS o WHERE o.{number} = s.{number})").format(**names)
    for statement in (
        "UPDATE {stage} AS s SET {op} = 'I' WHERE s.{op} = 'U' AND {gone}",
        "DELETE FROM {stage} AS s WHERE s.{op} = 'D' AND {gone}",
    ):
        connection.execute(sql.SQL(statement).format(**names, gone=gone))


def prepare(connection: Connection, replacing: Replacing) -> None:
    """The empty table that will say where the written rows are."""
    connection.execute(
        sql.SQL(
            "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT ''::text AS {}, {} FROM {} AS t WITH NO DATA"
        ).format(replacing.part.written, OPERATION, replacing.identity, replacing.part.table.quoted)
    )


def write(connection: Connection, all_parts: Sequence[Replacing]) -> list[Written]:
    """The one statement. The counts are those of the server."""
    steps = [step for each in all_parts for step in _steps(each)]
    counts = [
        sql.SQL("(SELECT count(*) FROM {})").format(_name(kind, each))
        for each in all_parts
        for kind in ("d", "u", "i")
    ]
    query = sql.SQL("WITH {} SELECT {}").format(sql.SQL(",\n").join(steps), listed(counts))
    numbers = one(connection, query)
    return [Written(*numbers[start : start + 3]) for start in range(0, len(numbers), 3)]


def _name(kind: str, each: Replacing) -> sql.Identifier:
    return sql.Identifier(f"dataprotect_{kind}{each.part.number}")


def _steps(each: Replacing) -> list[sql.Composed]:
    part = each.part
    names = {
        "table": part.table.quoted, "plain": part.table.plain, "old": each.old, "stage": part.stage,
        "written": part.written, "op": OPERATION, "number": NUMBER, "identity": each.identity,
        "columns": part.identifiers, "conflict": _conflict(each),
        "d": _name("d", each), "u": _name("u", each), "i": _name("i", each), "w": _name("w", each),
        "there": sql.SQL("t.tableoid = o.{} AND t.ctid = o.{}").format(_TABLE, _PLACE),
        "set": listed(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("s", name))
            for name in each.settable
        ),
        "absent": _absent(each),
    }  # fmt: skip
    update = (
        "{u} AS (UPDATE {table} AS t SET {set} FROM {stage} AS s JOIN {old} AS o ON o.{number} = s.{number} "
        "WHERE s.{op} = 'U' AND {there} AND (SELECT count(*) FROM {d}) >= 0 RETURNING {identity})"
    )
    if not each.settable:
        update = "{u} AS (SELECT {identity} FROM {table} AS t WHERE false)"
    statements = (
        "{d} AS (DELETE FROM {table} AS t USING {old} AS o WHERE o.{op} = 'D' AND {there} RETURNING 1)",
        update,
        "{i} AS (INSERT INTO {plain} AS t ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} "
        "FROM {stage} AS s WHERE s.{op} = 'I' AND (SELECT count(*) FROM {d}) >= 0 "
        "AND (SELECT count(*) FROM {u}) >= 0{absent}{conflict} RETURNING {identity})",
        "{w} AS (INSERT INTO {written} SELECT 'I', i.* FROM {i} AS i "
        "UNION ALL SELECT 'U', u.* FROM {u} AS u)",
    )
    return [sql.SQL(statement).format(**names) for statement in statements]


def _conflict(each: Replacing) -> sql.SQL:
    """The server cannot step around a row for constraints it only checks later."""
    return sql.SQL("" if each.part.table.deferrable_unique else " ON CONFLICT DO NOTHING")


def _absent(each: Replacing) -> sql.Composed:
    if not (each.part.table.deferrable_unique and each.part.reading.key):
        return sql.Composed([])
    return sql.SQL(" AND NOT EXISTS (SELECT FROM {} WHERE {})").format(
        each.part.reading.rows, each.part.reading.same_key("s")
    )
