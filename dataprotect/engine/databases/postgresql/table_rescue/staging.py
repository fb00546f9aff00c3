"""The rows a change will write, waiting in temporary tables of the live server.

A stage holds, per row, what is to be done (`I`nsert, `U`pdate, `D`elete), the digest of the version to write,
and its values; of a row to delete only the key. Rows come from the clone in two passes: first keys and
digests of both sides are merged and the differing keys noted in the clone, then the clone sends those rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg import sql

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import session
from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described, one
from dataprotect.engine.databases.postgresql.table_rescue.differences import Differing, Tally, differing
from dataprotect.engine.databases.postgresql.table_rescue.pairing import Pair
from dataprotect.engine.databases.postgresql.table_rescue.reading import (
    DIGEST,
    OCCURRENCE,
    Reading,
    listed,
)
from dataprotect.engine.table_rescue_model import Difference, Key

NUMBER = sql.Identifier("dataprotect number")
OPERATION = sql.Identifier("dataprotect operation")
_BETWEEN_CHECKPOINTS = 256
Operations = Mapping[Difference, str]
"""What to do with which difference; the others are left as they are."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table's part in a change. `reading`: the live table; `columns`: those that are written."""

    number: int
    reading: Reading
    columns: tuple[str, ...]

    @property
    def table(self) -> Described:
        return self.reading.table

    @property
    def stage(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", f"dataprotect_stage_{self.number}")

    @property
    def written(self) -> sql.Identifier:
        """Where the rows that were written are, by key or place."""
        return sql.Identifier("pg_temp", f"dataprotect_written_{self.number}")

    @property
    def identifiers(self) -> sql.Composed:
        return listed(sql.Identifier(name) for name in self.columns)


def create(connection: Connection, part: Part) -> None:
    """The empty stage. Its columns are of the types below all domains: a row to delete has no values."""
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(each.name), sql.SQL(each.base))
        for each in part.table.columns
        if each.name in part.columns
    ]
    fixed = sql.SQL("{} bigint GENERATED ALWAYS AS IDENTITY, {} text, {} text, {} bigint").format(
        NUMBER, OPERATION, DIGEST, OCCURRENCE
    )
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(part.stage, listed([fixed, *columns]))
    )


@dataclass(frozen=True, slots=True)
class Streams:
    """Two connections to the clone and one to the live server: keys stream from both, rows follow."""

    keys: Connection
    rows: Connection
    live: Connection


def note_differences(
    streams: Streams,
    found: Pair,
    part: Part,
    operations: Operations,
    reporter: Reporter,
    chosen: Sequence[Key] | None = None,
) -> Tally:
    """Merge both sides and note in the clone which rows are wanted for what."""
    source, target = found.readings
    tally = Tally()
    with session.source_lost():
        streams.rows.execute(_notes_table(source, part.number))
    each = differing((streams.keys, source), (streams.live, target), tally, reporter, chosen)
    into = sql.SQL("COPY {} FROM STDIN").format(_notes(part.number))
    with closing(each) as rows, streams.rows.cursor() as cursor, cursor.copy(into) as copy:
        for row in _wanted(rows, source, operations):
            copy.write_row(row)
    with session.source_lost():
        streams.rows.execute(sql.SQL("ANALYZE {}").format(_notes(part.number)))
    return tally


def load(streams: Streams, connection: Connection, found: Pair, part: Part, reporter: Reporter) -> None:
    """Bring the noted rows from the clone into the stage, as text, in one stream."""
    out = sql.SQL("COPY ({}) TO STDOUT").format(_noted_rows(found.readings[0], part))
    fixed = listed([OPERATION, DIGEST, OCCURRENCE, *(sql.Identifier(name) for name in part.columns)])
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(part.stage, fixed)
    pump(streams.rows, out, connection, into, reporter)
    connection.execute(sql.SQL("ANALYZE {}").format(part.stage))
    with session.source_lost():
        streams.rows.execute(sql.SQL("DROP TABLE {}").format(_notes(part.number)))


def pump(
    source: Connection, out: sql.Composed, target: Connection, into: sql.Composed, reporter: Reporter
) -> None:
    """Copy what the clone sends into the live server, block by block."""
    with target.cursor() as writing, writing.copy(into) as sink:
        for number, block in enumerate(_blocks(source, out)):
            if number % _BETWEEN_CHECKPOINTS == 0:
                reporter.checkpoint()
            sink.write(block)
            reporter.advance(len(block))


def _blocks(source: Connection, out: sql.Composed) -> Iterator[bytes | bytearray | memoryview]:
    with session.source_lost(), source.cursor() as cursor, cursor.copy(out) as copy:
        yield from copy


def staged(connection: Connection, part: Part) -> dict[str, int]:
    """How many rows wait for which operation."""
    query = sql.SQL("SELECT {0}, count(*) FROM {1} GROUP BY 1").format(OPERATION, part.stage)
    return {str(operation): int(count) for operation, count in connection.execute(query)}


def differing_in_stage(connection: Connection, part: Part, digests: sql.Composed) -> int:
    """How many of these digests are not those of a row that was to be written."""
    query = sql.SQL(
        "SELECT count(*) FROM ({} EXCEPT ALL SELECT {} FROM {} WHERE {} IN ('I', 'U')) AS other"
    ).format(digests, DIGEST, part.stage, OPERATION)
    return int(one(connection, query)[0])


def _wanted(
    rows: Iterator[Differing], source: Reading, operations: Operations
) -> Iterator[tuple[str | int | None, ...]]:
    for row in rows:
        if operation := operations.get(row.kind):
            if source.key:
                yield operation, row.digest, None, *row.key
            else:
                yield operation, row.key[0], int(row.key[1]), *row.key


def _notes(number: int) -> sql.Identifier:
    return sql.Identifier("pg_temp", f"dataprotect_wanted_{number}")


def _notes_table(source: Reading, number: int) -> sql.Composed:
    keys = listed(sql.SQL("{} text").format(sql.Identifier(f"k{n}")) for n, _ in enumerate(source.key_texts))
    return sql.SQL("CREATE TEMP TABLE {} (operation text, digest text, occurrence bigint, {})").format(
        _notes(number), keys
    )


def _noted_rows(source: Reading, part: Part) -> sql.Composed:
    """The values of the noted rows; of one to delete only its key."""
    texts = [sql.Identifier("w", f"k{n}") for n, _ in enumerate(source.key_texts)]
    keys = {
        each.name: sql.SQL("{}::{}").format(text, sql.SQL(each.type))
        for each, text in zip(source.key, texts, strict=False)
    }
    values = [keys[name] if name in keys else sql.Identifier("r", name) for name in part.columns]
    return sql.SQL(
        "SELECT {} FROM {} AS w LEFT JOIN {} ON w.operation <> 'D' AND {}"
    ).format(
        listed([sql.SQL("w.operation"), sql.SQL("w.digest"), sql.SQL("w.occurrence"), *values]),
        _notes(part.number),
        source.rows,
        source.matches(texts),
    )  # fmt: skip
