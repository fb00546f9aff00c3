"""Sequences: their values, which no snapshot holds still, and whether their columns are ahead of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection

_SEQUENCES = """
SELECT n.nspname, c.relname, s.seqincrement, s.seqcache, s.seqcycle, tn.nspname, t.relname, a.attname
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relpersistence = 'p' AND n.nspname !~ '^pg_temp'
    AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
ORDER BY n.nspname, c.relname
"""
_TOGETHER = 200
Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sequence:
    schema: str
    name: str
    increment: int
    cache: int
    cycle: bool
    column: tuple[str, str, str] | None

    @property
    def identity(self) -> Identity:
        return self.schema, self.name


@dataclass(frozen=True, slots=True)
class Value:
    last: int
    called: bool

    def next(self, increment: int) -> int:
        return self.last + increment if self.called else self.last


def sequences(connection: Connection) -> list[Sequence]:
    """Every logged sequence this user may read."""
    found = []
    for *row, schema, table, column in connection.execute(_SEQUENCES.encode()):
        owner = (schema, table, column) if column is not None else None
        found.append(Sequence(*row, column=owner))  # type: ignore[misc]
    return found


def values(connection: Connection, wanted: Iterable[Sequence]) -> dict[Identity, Value]:
    """Their values at this instant, some hundred per statement; one dropped meanwhile is absent."""
    todo = list(wanted)
    found: dict[Identity, Value] = {}
    for start in range(0, len(todo), _TOGETHER):
        group = todo[start : start + _TOGETHER]
        try:
            found |= _values(connection, group)
        except psycopg.Error:
            if connection.closed:
                raise
            for each in group:
                found |= _one_value(connection, each)
    return found


def is_behind(connection: Connection, sequence: Sequence, value: Value) -> bool | None:
    """Whether the column already holds what the sequence would hand out; None when it feeds none."""
    if sequence.column is None:
        return None
    schema, table, column = sequence.column
    extreme = sql.SQL("max" if sequence.increment > 0 else "min")
    query = sql.SQL("SELECT {}({})::bigint FROM {}").format(
        extreme, sql.Identifier(column), sql.Identifier(schema, table)
    )
    with connection.transaction():
        row = connection.execute(query).fetchone()
    if row is None or row[0] is None:
        return False
    ahead = row[0] - value.next(sequence.increment)
    return bool(ahead >= 0 if sequence.increment > 0 else ahead <= 0)


def _values(connection: Connection, group: list[Sequence]) -> dict[Identity, Value]:
    parts = [
        sql.SQL("SELECT {}, last_value, is_called FROM {}").format(
            number, sql.Identifier(each.schema, each.name)
        )
        for number, each in enumerate(group)
    ]
    with connection.transaction():
        rows = connection.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()
    return {group[number].identity: Value(last, called) for number, last, called in rows}


def _one_value(connection: Connection, sequence: Sequence) -> dict[Identity, Value]:
    try:
        return _values(connection, [sequence])
    except psycopg.Error:
        if connection.closed:
            raise
        return {}
