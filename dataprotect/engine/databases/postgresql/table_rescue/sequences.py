"""Sequences that feed the rescued tables: never behind the rows, never moved backwards."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from dataprotect.engine.databases.postgresql import fingerprint_sequences
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_sequences import Sequence, Value
from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described, one
from dataprotect.engine.model import Check

_FEEDING = """
SELECT n.nspname, c.relname, s.seqincrement, s.seqcache, s.seqcycle, a.attname
FROM (
    SELECT d.objid AS oid, d.refobjsubid AS number FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(table)s
        AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    UNION SELECT d.refobjid, f.adnum FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass
        AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
    WHERE f.adrelid = %(table)s) AS feeds
JOIN pg_sequence s ON s.seqrelid = feeds.oid JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = %(table)s AND a.attnum = feeds.number AND NOT a.attisdropped
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
ORDER BY n.nspname, c.relname, a.attname
"""
_STEPS = 1000
"""Up to so many values a sequence is brought forward by drawing them, which no other session can undo."""


def feeding(connection: Connection, table: Described) -> list[Sequence]:
    """Sequences owned by a column of the table, or drawn from by its default."""
    found = connection.execute(_FEEDING.encode(), {"table": table.oid}).fetchall()
    return [
        Sequence(*row, column=(table.name.schema, table.name.table, column))  # type: ignore[misc]
        for *row, column in found
    ]


def bring_forward(connection: Connection, sequence: Sequence, floor: int | None = None) -> str | None:
    """Move it past its column's furthest value and past `floor` (where it stood in the clone).

    What was done, in words; None when it was far enough. Not undone by a rollback: sequences never are.
    """
    sign = 1 if sequence.increment > 0 else -1
    furthest, value = _furthest_and_value(connection, sequence)
    wanted = max((sign * each for each in (furthest, floor) if each is not None), default=None)
    following = sign * value.next(sequence.increment)
    if sequence.cycle or wanted is None or wanted < following:
        return None
    name = sql.Literal(sql.Identifier(sequence.schema, sequence.name).as_string(connection))
    steps = (wanted - following) // abs(sequence.increment) + 1
    if steps <= _STEPS * sequence.cache:
        query = sql.SQL("SELECT count(nextval({}::regclass)) FROM generate_series(1, {})").format(name, steps)
    else:
        query = sql.SQL("SELECT setval({}::regclass, {})").format(name, sign * wanted)
    connection.execute(query)
    return (
        f"The sequence {sequence.schema}.{sequence.name} stood at {value.last} and was moved past "
        f"{sign * wanted}."
    )


def checks(connection: Connection, sequences: list[Sequence]) -> Iterator[Check]:
    """One per sequence: whether what it hands out next is free."""
    for each in sequences:
        assert each.column is not None  # noqa: S101  see `feeding`
        furthest, value = _furthest_and_value(connection, each)
        ahead = furthest is None or (value.next(each.increment) - furthest) * each.increment > 0
        found = f"{'ahead' if ahead else 'behind'}, at {value.last}"
        yield Check(
            f"sequence {each.schema}.{each.name}",
            None if each.cycle else ahead,
            f"ahead of the values in {each.column[2]}",
            found,
        )


def _furthest_and_value(connection: Connection, sequence: Sequence) -> tuple[int | None, Value]:
    """The column's furthest value, and only then where the sequence stands: others draw from it meanwhile."""
    assert sequence.column is not None  # noqa: S101  see `feeding`
    schema, table, column = sequence.column
    extreme = sql.SQL("max" if sequence.increment > 0 else "min")
    query = sql.SQL("SELECT {}({})::bigint FROM {}").format(
        extreme, sql.Identifier(column), sql.Identifier(schema, table)
    )
    furthest: int | None = one(connection, query)[0]
    return furthest, fingerprint_sequences.values(connection, [sequence])[sequence.identity]
