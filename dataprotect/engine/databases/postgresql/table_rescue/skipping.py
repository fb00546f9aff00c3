"""Rows that were to be inserted and were not, in words."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing
from dataprotect.engine.databases.postgresql.table_rescue.differences import Tally
from dataprotect.engine.databases.postgresql.table_rescue.reading import every, listed
from dataprotect.engine.databases.postgresql.table_rescue.staging import OPERATION

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Skipped:
    count: int
    rows: tuple[str, ...]

    def with_unknown(self, chosen: int, tally: Tally) -> Skipped:
        """Add the chosen keys that are nowhere, or only in the live table: they have no old version."""
        unknown = chosen - tally.source_rows
        if not unknown:
            return self
        said = f"{unknown} of the chosen rows did not exist at the instant and were left as they are."
        return Skipped(self.count + unknown, (*self.rows, said))


def rows_skipped(connection: Connection, each: Replacing, count: int) -> Skipped:
    """The first few of `count` staged rows that are not among the written ones, each with its reason."""
    reading = each.part.reading
    if not count or not reading.key:
        said = (f"{count} rows have no place in a unique index of the live table.",) if count else ()
        return Skipped(count, said)
    keys = listed(sql.SQL("{}::text").format(sql.Identifier("s", column.name)) for column in reading.key)
    written = every(
        sql.SQL("w.{0} {1} s.{0}").format(sql.Identifier(column.name), column.equals)
        for column in reading.key
    )
    query = sql.SQL(
        "SELECT ARRAY[{keys}], EXISTS (SELECT FROM {rows} WHERE {same}) FROM {stage} AS s WHERE s.{op} = 'I' "
        "AND NOT EXISTS (SELECT FROM {written_rows} AS w WHERE w.{op} = 'I' AND {written}) LIMIT {shown}"
    ).format(
        keys=keys, rows=reading.rows, same=reading.same_key("s"), stage=each.part.stage, op=OPERATION,
        written_rows=each.part.written, written=written, shown=_SHOWN,
    )  # fmt: skip
    return Skipped(count, tuple(_said(key, there) for key, there in connection.execute(query)))


def _said(key: list[str], there: bool) -> str:
    named = f"({', '.join(key)})"
    if there:
        return f"{named} was written anew meanwhile and left as it is."
    return f"{named} was left out: another row holds its place in a unique index, or a trigger refused it."
