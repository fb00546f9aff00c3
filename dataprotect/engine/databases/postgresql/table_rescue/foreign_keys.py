"""Foreign keys of the tables to rescue: which there are, and which would not hold, in words.

The server checks them itself while it writes, unless the tables' triggers sleep in replica mode: its checks
are triggers too. So they are looked at before (to list every row that stands in the way, and because a
cascade would delete rows nobody spoke of) and after (as proof).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue.catalog import one
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing
from dataprotect.engine.databases.postgresql.table_rescue.reading import every, listed, operator
from dataprotect.engine.databases.postgresql.table_rescue.staging import OPERATION
from dataprotect.engine.model import Check
from dataprotect.engine.table_rescue_model import ForeignKey, TableName

_SHOWN = 3
_CONSTRAINTS = """
SELECT c.conname, cn.nspname, cr.relname, fn.nspname, fr.relname, c.confdeltype::text, c.condeferrable,
    cr.relkind = 'p', fr.relkind = 'p',
    ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place),
    ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place),
    ARRAY(SELECT quote_ident(n.nspname) || '.' || o.oprname
        FROM unnest(c.conpfeqop) WITH ORDINALITY AS k (oid, place)
        JOIN pg_operator o ON o.oid = k.oid JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY k.place)
FROM pg_constraint c
JOIN pg_class cr ON cr.oid = c.conrelid JOIN pg_namespace cn ON cn.oid = cr.relnamespace
JOIN pg_class fr ON fr.oid = c.confrelid JOIN pg_namespace fn ON fn.oid = fr.relnamespace
LEFT JOIN pg_constraint p ON p.oid = c.conparentid
WHERE c.contype = 'f' AND (
    c.conrelid = %(table)s AND p.conrelid IS DISTINCT FROM c.conrelid
    OR c.confrelid = %(table)s AND coalesce(p.conrelid, c.conrelid) = c.conrelid)
ORDER BY cn.nspname, cr.relname, c.conname
"""
"""A key of partitioned tables has a copy per partition that refers, and per partition that is referred to;
the copies of the other end are left out."""
_ON_DELETE = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key with how its tables are named in statements, and the equality of each column pair."""

    key: ForeignKey
    child: sql.Composed
    parent: sql.Composed
    operators: tuple[str, ...]

    def joined(self, child: str, parent: str) -> sql.Composed:
        """Whether the row `child` refers to the row `parent`."""
        pairs = zip(self.key.referenced_columns, self.operators, self.key.columns, strict=True)
        return every(
            sql.SQL("{} {} {}").format(
                sql.Identifier(parent, theirs), operator(equals), sql.Identifier(child, ours)
            )
            for theirs, equals, ours in pairs
        )

    @property
    def filled(self) -> sql.Composed:
        """Whether the row `c` refers to anything: no column is null."""
        return every(sql.SQL("{} IS NOT NULL").format(sql.Identifier("c", name)) for name in self.key.columns)

    @property
    def values(self) -> sql.Composed:
        return listed(sql.SQL("{}::text").format(sql.Identifier("c", name)) for name in self.key.columns)


def references(connection: Connection, oid: int) -> list[Reference]:
    """Foreign keys from and to this table, those of partitions through their root."""
    rows = connection.execute(_CONSTRAINTS.encode(), {"table": oid}).fetchall()
    found = []
    for name, cs, ct, ps, pt, deletes, deferrable, child_root, parent_root, ours, theirs, equals in rows:
        child, parent = TableName(cs, ct), TableName(ps, pt)
        key = ForeignKey(name, child, tuple(ours), parent, tuple(theirs), _ON_DELETE[deletes], deferrable)
        found.append(Reference(key, _from(child, child_root), _from(parent, parent_root), tuple(equals)))
    return found


def standing_in_the_way(
    connection: Connection, known: Sequence[Reference], parts: Mapping[TableName, Replacing]
) -> list[str]:
    """Before the rows are written: what would not hold afterwards, a sentence per foreign key."""
    found = []
    for each in known:
        if each.key.table in parts and (sentence := _without_parent(connection, each, parts)):
            found.append(sentence)
        if each.key.referenced in parts and (sentence := _left_behind(connection, each, parts)):
            found.append(sentence)
    return found


def proof(
    connection: Connection, known: Sequence[Reference], parts: Mapping[TableName, Replacing]
) -> list[Check]:
    """After the rows are written: every foreign key of a row written, and of those that refer to it.

    Rows referred to are locked as the server's own check does, so that no other session takes them away
    before we commit.
    """
    checks = []
    for each in known:
        broken = 0
        if each.key.table in parts:
            broken += _broken_from(connection, each, parts[each.key.table])
        if each.key.referenced in parts:
            broken += _broken_to(connection, each, parts[each.key.referenced])
        found = f"{broken} do not" if broken else "all do"
        name = f"foreign key {each.key.name} of {each.key.table}"
        checks.append(Check(name, not broken, f"every row refers to a row of {each.key.referenced}", found))
    return checks


def _without_parent(
    connection: Connection, each: Reference, parts: Mapping[TableName, Replacing]
) -> str | None:
    """Rows to write whose parent is neither there to stay nor among the rows to write."""
    child, parent = parts[each.key.table], parts.get(each.key.referenced)
    if not set(each.key.columns) <= set(child.part.columns):
        return None
    query = sql.SQL(
        "SELECT count(*), (array_agg(DISTINCT concat_ws(', ', {values})))[1:{shown}] FROM {stage} AS c "
        "WHERE c.{op} IN ('I', 'U') AND {filled} "
        "AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {joined}{staying}){staged}"
    ).format(
        values=each.values, shown=_SHOWN, stage=child.part.stage, op=OPERATION, filled=each.filled,
        parent=each.parent, joined=each.joined("c", "p"), staying=_staying(parent, "p"),
        staged=_nor_staged(each, parent, "c"),
    )  # fmt: skip
    count, some = one(connection, query)
    if not count:
        return None
    return (
        f"{count} rows of {each.key.table} would refer to rows that {each.key.referenced} does not have "
        f"({each.key.name}: {'; '.join(some)})."
    )


def _left_behind(connection: Connection, each: Reference, parts: Mapping[TableName, Replacing]) -> str | None:
    """Rows that refer to a row that would be deleted."""
    child, parent = parts.get(each.key.table), parts[each.key.referenced]
    if not set(each.key.referenced_columns) <= set(parent.kept_columns):
        return None
    query = sql.SQL(
        "SELECT count(*), (array_agg(DISTINCT concat_ws(', ', {values})))[1:{shown}] FROM {child} AS c "
        "JOIN {old} AS o ON {joined} WHERE o.{op} = 'D'{staying}{staged}"
    ).format(
        values=each.values, shown=_SHOWN, child=each.child, old=parent.old, joined=each.joined("c", "o"),
        op=OPERATION, staying=_staying(child, "c"), staged=_nor_staged(each, parent, "c"),
    )  # fmt: skip
    count, some = one(connection, query)
    if not count:
        return None
    return (
        f"{count} rows of {each.key.table} refer to rows of {each.key.referenced} that would go "
        f"({each.key.name}: {'; '.join(some)})."
    )


def _staying(replacing: Replacing | None, alias: str) -> sql.Composed:
    """The row is not one that will be deleted or overwritten (as a parent: deleted)."""
    if replacing is None:
        return sql.Composed([])
    gone = sql.SQL("= 'D'") if alias == "p" else sql.SQL("IN ('D', 'U')")
    return sql.SQL(
        " AND NOT EXISTS (SELECT FROM {} AS g WHERE g.{} {} AND g.{} = {}.tableoid AND g.{} = {}.ctid)"
    ).format(
        replacing.old, OPERATION, gone, replacing.table_column, sql.Identifier(alias),
        replacing.place_column, sql.Identifier(alias),
    )  # fmt: skip


def _nor_staged(each: Reference, parent: Replacing | None, child: str) -> sql.Composed:
    """No row that will be written to the parent table can be referred to."""
    if parent is None or not set(each.key.referenced_columns) <= set(parent.part.columns):
        return sql.Composed([])
    return sql.SQL(" AND NOT EXISTS (SELECT FROM {} AS s WHERE s.{} IN ('I', 'U') AND {})").format(
        parent.part.stage, OPERATION, each.joined(child, "s")
    )


def _broken_from(connection: Connection, each: Reference, child: Replacing) -> int:
    touched = sql.SQL("FROM {} WHERE {}").format(child.written_rows("c"), each.filled)
    connection.execute(
        sql.SQL(
            "SELECT count(*) FROM ("
            "SELECT FROM {} AS p WHERE EXISTS (SELECT {} AND {}) FOR KEY SHARE OF p) AS locked"
        ).format(each.parent, touched, each.joined("c", "p"))
    )
    query = sql.SQL("SELECT count(*) {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {})").format(
        touched, each.parent, each.joined("c", "p")
    )
    return int(one(connection, query)[0])


def _broken_to(connection: Connection, each: Reference, parent: Replacing) -> int:
    if not set(each.key.referenced_columns) <= set(parent.kept_columns):
        return 0
    query = sql.SQL(
        "SELECT count(*) FROM {} AS c JOIN {} AS o ON {} WHERE NOT EXISTS (SELECT FROM {} AS p WHERE {})"
    ).format(each.child, parent.old, each.joined("c", "o"), each.parent, each.joined("c", "p"))
    return int(one(connection, query)[0])


def _from(name: TableName, partitioned: bool) -> sql.Composed:
    only = sql.SQL("" if partitioned else "ONLY ")
    return sql.Composed([only, sql.Identifier(name.schema, name.table)])
