"""One table of one side, as its server's catalog describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.table_rescue_model import TableName

_RELATION = """
SELECT c.oid, c.relkind::text, c.relpersistence::text, c.relispartition, row_security_active(c.oid),
    c.relrowsecurity, pg_get_userbyid(c.relowner), c.relhassubclass,
    greatest(c.reltuples, -1)::bigint, coalesce((
        SELECT sum(pg_total_relation_size(coalesce(t.relid, c.oid))) FROM (SELECT 1) AS one
        LEFT JOIN pg_partition_tree(c.oid) AS t ON true), 0)::bigint,
    EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type <> '1'),
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
        AND NOT i.indimmediate)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.base, a.attnotnull, a.attgenerated <> '',
    a.attidentity::text, a.atthasdef OR a.attidentity <> ''
FROM pg_attribute a CROSS JOIN LATERAL (
    WITH RECURSIVE d AS (
        SELECT a.atttypid AS type, a.atttypmod AS modifier
        UNION ALL SELECT t.typbasetype, t.typtypmod FROM d JOIN pg_type t ON t.oid = d.type
        WHERE t.typtype = 'd')
    SELECT format_type(d.type, d.modifier) AS base FROM d JOIN pg_type t ON t.oid = d.type
    WHERE t.typtype <> 'd') AS b
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEYS = """
SELECT x.relname, i.indimmediate, array_agg(a.attname::text ORDER BY k.place),
    array_agg(quote_ident(pn.nspname) || '.' || p.oprname ORDER BY k.place)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
CROSS JOIN unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k (number, class, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND a.attnotnull
    AND a.attgenerated = ''
JOIN pg_opclass c ON c.oid = k.class
JOIN pg_amop o ON o.amopfamily = c.opcfamily AND o.amopstrategy = 3 AND o.amoplefttype = c.opcintype
    AND o.amoprighttype = c.opcintype
JOIN pg_operator p ON p.oid = o.amopopr JOIN pg_namespace pn ON pn.oid = p.oprnamespace
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, x.relname, i.indimmediate, i.indisprimary, i.indnkeyatts
HAVING count(*) = i.indnkeyatts ORDER BY i.indisprimary DESC, i.indnkeyatts, x.relname
"""
_KINDS = {
    "r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table",
    "S": "sequence", "i": "index", "I": "index", "c": "type",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """`base`: the type below all domains, so that it may be null. `filled`: has a default or identity."""

    name: str
    type: str
    base: str
    not_null: bool
    generated: bool
    identity: str
    filled: bool


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """A unique index over columns that are never null. operators: what its equality is called, qualified."""

    name: str
    immediate: bool
    columns: tuple[str, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Described:
    name: TableName
    oid: int
    kind: str
    unlogged: bool
    partition: bool
    policies_apply: bool
    """Row-level security holds for the user of this connection."""
    row_security: bool
    owner: str
    has_children: bool
    rows: int
    bytes: int
    rules: bool
    deferrable_unique: bool
    columns: tuple[ColumnInfo, ...]
    keys: tuple[KeyIndex, ...]

    @property
    def is_table(self) -> bool:
        return self.kind in ("table", "partitioned table")

    @property
    def quoted(self) -> sql.Composed:
        """For statements that name the table: a partitioned one with its partitions, no other's children."""
        only = sql.SQL("") if self.kind == "partitioned table" else sql.SQL("ONLY ")
        return sql.Composed([only, self.plain])

    @property
    def plain(self) -> sql.Identifier:
        return sql.Identifier(self.name.schema, self.name.table)

    def column(self, name: str) -> ColumnInfo | None:
        return next((each for each in self.columns if each.name == name), None)


def describe(connection: Connection, name: TableName) -> Described | None:
    """What stands under this name; None when nothing does."""
    row = connection.execute(_RELATION.encode(), [name.schema, name.table]).fetchone()
    if row is None:
        return None
    oid, kind, persistence, *facts = row
    described = _KINDS.get(kind, "relation of another kind")
    columns = tuple(ColumnInfo(*each) for each in connection.execute(_COLUMNS.encode(), [oid]))
    keys = tuple(_key(*each) for each in connection.execute(_KEYS.encode(), [oid]))
    values: list[Any] = [name, oid, described, persistence == "u", *facts, columns, keys]
    return Described(*values)


def _key(name: str, immediate: bool, columns: list[str], operators: list[str]) -> KeyIndex:
    return KeyIndex(name, immediate, tuple(columns), tuple(operators))


def one(connection: Connection, query: sql.Composed | bytes, *values: Any) -> tuple[Any, ...]:
    """The only row of the answer."""
    found = connection.execute(query, values or None).fetchone()
    assert found is not None  # noqa: S101
    return found
