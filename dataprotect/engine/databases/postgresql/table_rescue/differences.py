"""The rows of two sides, merged by key while both are streamed in the same order."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg import sql

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import session
from dataprotect.engine.databases.postgresql.table_rescue.reading import Reading
from dataprotect.engine.table_rescue_model import Difference, Key

_BETWEEN_CHECKPOINTS = 10_000
Order = tuple[int | str, ...]
Row = tuple[Order, Key, str]
"""What it is ordered by, its key as text, its digest."""


@dataclass(slots=True)
class Tally:
    """What was seen so far."""

    source_rows: int = 0
    target_rows: int = 0
    same: int = 0
    missing: int = 0
    changed: int = 0
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Differing:
    """`digest`: of the source's version; empty for an extra row."""

    kind: Difference
    key: Key
    digest: str


def differing(
    source: tuple[Connection, Reading],
    target: tuple[Connection, Reading],
    tally: Tally,
    reporter: Reporter,
    chosen: Sequence[Key] | None = None,
) -> Generator[Differing, None, None]:
    """Every row that differs, in order; `chosen`: among these keys only. One row per side is in memory."""
    with (
        closing(_streamed_source(*source, reporter, chosen)) as then,
        closing(_streamed(*target, reporter, chosen)) as now,
    ):
        yield from merged(then, now, tally)


def merged(source: Iterable[Row], target: Iterable[Row], tally: Tally) -> Iterator[Differing]:
    """Merge two ordered sides without doubles; counts everything in `tally`."""
    left, right = iter(source), iter(target)
    then, now = next(left, None), next(right, None)
    while then is not None or now is not None:
        if now is None or (then is not None and then[0] < now[0]):
            assert then is not None  # noqa: S101  the loop's condition
            tally.source_rows += 1
            tally.missing += 1
            yield Differing("missing", then[1], then[2])
            then = next(left, None)
        elif then is None or now[0] < then[0]:
            tally.target_rows += 1
            tally.extra += 1
            yield Differing("extra", now[1], "")
            now = next(right, None)
        else:
            tally.source_rows += 1
            tally.target_rows += 1
            if then[2] == now[2]:
                tally.same += 1
            else:
                tally.changed += 1
                yield Differing("changed", then[1], then[2])
            then, now = next(left, None), next(right, None)


def _streamed_source(
    connection: Connection, reading: Reading, reporter: Reporter, chosen: Sequence[Key] | None
) -> Generator[Row, None, None]:
    with session.source_lost():
        yield from _streamed(connection, reading, reporter, chosen)


def _streamed(
    connection: Connection, reading: Reading, reporter: Reporter, chosen: Sequence[Key] | None
) -> Generator[Row, None, None]:
    numbers = reading.whole_numbers
    query = sql.SQL("COPY ({}) TO STDOUT").format(reading.ordered(chosen))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for count, row in enumerate(copy.rows()):
            if count % _BETWEEN_CHECKPOINTS == 0:
                reporter.checkpoint()
            *key, digest = row
            order = tuple(int(part) if whole else part for part, whole in zip(key, numbers, strict=True))
            yield order, tuple(key), digest
