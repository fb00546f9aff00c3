"""Rows of one database: counts, whole-table digests of small tables, and samples by key.

The same statements run on the source and on the clone. Every session is fixed first, so that a row's text
does not depend on anybody's locale, time zone or display settings. Foreign tables are never read: they reach
elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_model import Sample

SESSION = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET xmlbinary = 'base64';
SET search_path = pg_catalog; SET row_security = off; SET jit = off;
SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0
"""

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relpersistence = 'u', c.relfilenode, greatest(c.reltuples, -1)::bigint,
    has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
    c.relkind = 'm' AND NOT c.relispopulated, coalesce(k.names, '{}'), coalesce(k.types, '{}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY u.place) AS names,
        array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY u.place) AS types
    FROM (SELECT i.indkey, i.indnkeyatts FROM pg_index i
          WHERE i.indrelid = c.oid AND i.indisvalid AND (i.indisprimary OR i.indisreplident)
          ORDER BY i.indisprimary DESC LIMIT 1) i
    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS u (number, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
    WHERE u.place <= i.indnkeyatts) k ON true
WHERE c.relkind IN ('r', 'm') AND c.relpersistence IN ('p', 'u')
    AND (c.oid = 'pg_largeobject'::regclass
        OR n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)')
ORDER BY n.nspname, c.relname
"""

SMALL_BYTES = 32 << 20
_DIGEST = sql.SQL("left(encode(sha256(convert_to((r.*)::text, getdatabaseencoding())), 'hex'), 32)")


@dataclass(frozen=True, slots=True)
class Table:
    """One table as the catalog describes it. `estimate` is -1 when the server never counted."""

    oid: int
    schema: str
    name: str
    unlogged: bool
    filenode: int
    estimate: int
    readable: bool
    unpopulated: bool
    key_columns: tuple[str, ...]
    key_types: tuple[str, ...]

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> sql.Composed:
        return sql.SQL("ONLY {}").format(sql.Identifier(self.schema, self.name))


def prepare_session(connection: Connection, statement_seconds: float, lock_seconds: float) -> None:
    """Fix everything a row's text depends on, and bound every statement."""
    connection.execute(SESSION.encode())
    connection.execute(
        sql.SQL("SET statement_timeout = {}; SET lock_timeout = {}").format(
            int(statement_seconds * 1000), int(lock_seconds * 1000)
        )
    )
    if connection.info.server_version >= 170000:
        connection.execute("SET transaction_timeout = 0")


def tables(connection: Connection) -> list[Table]:
    """Every table, partition and materialized view of the users, and pg_largeobject, by schema and name."""
    found = connection.execute(_TABLES.encode()).fetchall()
    return [
        Table(*row[:8], key_columns=tuple(row[8]), key_types=tuple(row[9]))  # type: ignore[misc]
        for row in found
    ]


def sizes(connection: Connection, table: Table) -> tuple[int, int]:
    """Bytes with out-of-line values, and of the main fork alone. Asked per table: it waits for a lock."""
    query = sql.SQL("SELECT coalesce(pg_table_size({0}), 0), coalesce(pg_relation_size({0}), 0)")
    total, main = _one(connection, query.format(sql.SQL("{}::oid").format(table.oid)))
    return int(total), int(main)


def count(connection: Connection, table: Table) -> int:
    """Rows that this transaction sees."""
    return int(_one(connection, sql.SQL("SELECT count(*) FROM {}").format(table.quoted))[0])


def count_and_digest(connection: Connection, table: Table) -> tuple[int, str]:
    """Rows, and a digest of all of them that does not depend on their order."""
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended((r.*)::text, 0)::numeric), 0)::text FROM {} AS r"
    )
    rows, digest = _one(connection, query.format(table.quoted))
    return int(rows), str(digest)


def current_filenode(connection: Connection, table: Table) -> int | None:
    """The file that holds the table now, whatever the snapshot says; None when it was dropped."""
    found: int | None = _one(connection, sql.SQL("SELECT pg_relation_filenode({}::oid)").format(table.oid))[0]
    return found


def sample(connection: Connection, table: Table, main_size: int, wanted: int) -> tuple[Sample, ...]:
    """Up to `wanted` rows, spread over the key's range (small tables) or over the blocks (large ones)."""
    if not table.key_columns or wanted <= 0:
        return ()
    small = main_size <= SMALL_BYTES
    query = _small_sample(table, wanted) if small else _large_sample(table, wanted, main_size)
    rows = connection.execute(query).fetchall()
    return tuple(Sample(tuple(key), digest) for key, digest in rows)


def digests(
    connection: Connection, table: Table, keys: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], tuple[str, int]]:
    """Digest and 32-bit xmin of the rows with these keys; absent keys are absent."""
    query = sql.SQL(
        "SELECT {key}, {digest}, r.xmin::text::bigint FROM {table} AS r "
        "WHERE ({columns}) IN (SELECT {casts} FROM unnest({arrays}) AS k ({names}))"
    ).format(
        key=_key(table),
        digest=_DIGEST,
        table=table.quoted,
        columns=_list(sql.Identifier("r", name) for name in table.key_columns),
        casts=_list(
            sql.SQL("k.{}::{}").format(sql.Identifier(f"k{number}"), sql.SQL(kind))
            for number, kind in enumerate(table.key_types)
        ),
        arrays=_list(sql.SQL("%s::text[]") for _ in table.key_columns),
        names=_list(sql.Identifier(f"k{number}") for number in range(len(table.key_columns))),
    )
    arrays = [[key[number] for key in keys] for number in range(len(table.key_columns))]
    return {tuple(key): (digest, xmin) for key, digest, xmin in connection.execute(query, arrays)}


def changed_by(connection: Connection, table: Table, transactions: Iterable[int]) -> int:
    """Visible rows that these (32-bit) transaction ids wrote."""
    query = sql.SQL("SELECT count(*) FROM {} AS r WHERE r.xmin::text::bigint = ANY(%s)").format(table.quoted)
    found = connection.execute(query, (list(transactions),)).fetchone()
    assert found is not None  # noqa: S101
    return int(found[0])


def _small_sample(table: Table, wanted: int) -> sql.Composed:
    return sql.SQL(
        "SELECT {key}, {digest} FROM {table} AS r WHERE r.ctid = ANY (ARRAY(SELECT s.ctid FROM ("
        "SELECT ctid, row_number() OVER (ORDER BY {columns}) - 1 AS n, count(*) OVER () AS total "
        "FROM {table}) s "
        "WHERE s.n % greatest(1, ceil(s.total / {wanted}::numeric)::bigint) = 0 OR s.n = s.total - 1))"
    ).format(
        key=_key(table),
        digest=_DIGEST,
        table=table.quoted,
        columns=_list(sql.Identifier(name) for name in table.key_columns),
        wanted=max(1, wanted - 1),
    )


def _large_sample(table: Table, wanted: int, main_size: int) -> sql.Composed:
    """About `wanted` blocks, by the server's block sampling, and of their rows as many, chosen by hash."""
    percent = min(100.0, 100.0 * wanted / math.ceil(main_size / 8192))
    return sql.SQL(
        "SELECT {key}, {digest} FROM {table} AS r WHERE r.ctid = ANY (ARRAY(SELECT s.ctid FROM {table} AS s "
        "TABLESAMPLE SYSTEM ({percent}) REPEATABLE (20) "
        "ORDER BY hashtextextended(s.ctid::text, 0) LIMIT {wanted}))"
    ).format(key=_key(table), digest=_DIGEST, table=table.quoted, percent=percent, wanted=wanted)


def _key(table: Table) -> sql.Composed:
    texts = _list(sql.SQL("{}::text").format(sql.Identifier("r", name)) for name in table.key_columns)
    return sql.SQL("ARRAY[{}]").format(texts)


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(list(parts))


def _one(connection: Connection, query: sql.Composed) -> tuple[Any, ...]:
    found = connection.execute(query).fetchone()
    assert found is not None  # noqa: S101
    return found
