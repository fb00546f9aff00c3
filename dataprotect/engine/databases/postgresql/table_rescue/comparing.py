"""Compare tables of the clone with the live ones: counts over all rows, and a sample of what differs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import session
from dataprotect.engine.databases.postgresql.table_rescue.differences import Tally, differing
from dataprotect.engine.databases.postgresql.table_rescue.pairing import Pair, pair
from dataprotect.engine.databases.postgresql.table_rescue.reading import Reading, listed
from dataprotect.engine.table_rescue_model import (
    Difference,
    Key,
    RescueSource,
    RescueTarget,
    RowDifference,
    TableComparison,
    TableName,
    Values,
)

SHOWN_CHARACTERS = 200
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def compare(
    source: RescueSource,
    target: RescueTarget,
    tables: Sequence[TableName],
    sample: int,
    values: bool,
    reporter: Reporter,
) -> tuple[TableComparison, ...]:
    doing = session.explained(target, "the tables were compared")
    with session.open_source(source) as then, session.open_target(target) as now, doing:
        now.execute(SNAPSHOT)
        return tuple(_compared(then, now, name, sample, values, reporter) for name in tables)


def _compared(
    then: Connection, now: Connection, name: TableName, sample: int, values: bool, reporter: Reporter
) -> TableComparison:
    reporter.phase(f"compare {name}")
    found = pair(then, now, name)
    require_both(found)
    began, tally = time.monotonic(), Tally()
    source, target = found.readings
    kept: dict[Difference, list[Key]] = defaultdict(list)
    for each in differing((then, source), (now, target), tally, reporter):
        if len(kept[each.kind]) < sample:
            kept[each.kind].append(each.key)
    differences = tuple(_shown(then, now, found, kept, values))
    return TableComparison(
        name, found.key_columns, tally.source_rows, tally.target_rows, tally.same, tally.missing,
        tally.changed, tally.extra, differences, notes(found), time.monotonic() - began,
    )  # fmt: skip


def require_both(found: Pair) -> None:
    """Raises `table_rescue.impossible` unless it is a table here and there."""
    for side, where in ((found.source, "in the clone"), (found.target, "in the live database")):
        if side is None or not side.is_table:
            what = "does not exist" if side is None else f"is a {side.kind}"
            raise ForeseenError(
                "table_rescue.impossible",
                f"{found.name} {what} {where}.",
                "Choose a table that is on both sides, or load a lost one beside under a new name.",
            )


def notes(found: Pair) -> tuple[str, ...]:
    """What a reader of the counts must know."""
    sentences = []
    if not found.key_columns:
        sentences.append(
            f"{found.name} has no key: a row changed since the instant counts as one missing and one extra."
        )
    for each in found.columns:
        if each.difference == "dropped":
            sentences.append(f"The column {each.name} was dropped since; it is not compared.")
        elif each.difference == "added":
            sentences.append(f"The column {each.name} was added since; it is not compared.")
        elif each.name not in found.compared and not each.generated:
            sentences.append(
                f"The type of {each.name} changed from {each.source_type} to {each.target_type}; "
                "it is not compared."
            )
    return tuple(sentences)


def _shown(
    then: Connection, now: Connection, found: Pair, kept: Mapping[Difference, list[Key]], values: bool
) -> Iterator[RowDifference]:
    source, target = found.readings
    names = found.compared
    with session.source_lost():
        before = _values(then, source, names, kept["missing"] + kept["changed"]) if values else {}
    after = _values(now, target, names, kept["changed"] + kept["extra"]) if values else {}
    for kind in ("missing", "changed", "extra"):
        for key in kept[kind]:
            old, new = before.get(key), after.get(key)
            columns = tuple(n for n in names if old and new and old[n] != new[n])
            yield RowDifference(kind, key, _cut(old), _cut(new), columns)


def _values(
    connection: Connection, reading: Reading, names: Sequence[str], keys: Sequence[Key]
) -> dict[Key, Values]:
    if not keys:
        return {}
    query = sql.SQL("SELECT ARRAY[{}], ARRAY[{}]::text[] FROM {} WHERE {}").format(
        listed(reading.key_texts),
        listed(sql.SQL("{}::text").format(sql.Identifier("r", name)) for name in names),
        reading.rows,
        reading.among(keys),
    )
    return {tuple(key): dict(zip(names, row, strict=True)) for key, row in connection.execute(query)}


def _cut(values: Values | None) -> Values | None:
    if values is None:
        return None
    return {name: _short(text) for name, text in values.items()}


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
