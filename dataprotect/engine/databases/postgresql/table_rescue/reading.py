"""How the rows of one table are named, ordered and told apart on one side, in SQL.

Inside every statement built here `r` is the table. A table without a key gets one: the digest of its compared
columns, and which occurrence of that digest a row is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described
from dataprotect.engine.table_rescue_model import Key

INTEGERS = frozenset({"smallint", "integer", "bigint"})
DIGEST = sql.Identifier("dataprotect digest")
OCCURRENCE = sql.Identifier("dataprotect occurrence")
_TABLE = sql.Identifier("dataprotect table")
_PLACE = sql.Identifier("dataprotect place")


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """operator: the equality of the key's index, qualified, so that no search_path can change it."""

    name: str
    type: str
    operator: str

    @property
    def equals(self) -> sql.SQL:
        return operator(self.operator)


@dataclass(frozen=True, slots=True)
class Reading:
    """`digested`: the columns whose text makes a row's digest, in an order both sides share."""

    table: Described
    key: tuple[KeyColumn, ...]
    digested: tuple[str, ...]

    @property
    def rows(self) -> sql.Composed:
        """What follows FROM."""
        if self.key:
            return sql.SQL("{} AS r").format(self.table.quoted)
        return sql.SQL(
            "(SELECT r.*, r.tableoid AS {table}, r.ctid AS {place}, {digest} AS {name}, "
            "row_number() OVER (PARTITION BY {digest}) AS {occurrence} FROM {source} AS r) AS r"
        ).format(
            table=_TABLE, place=_PLACE, digest=self.row_digest, name=DIGEST, occurrence=OCCURRENCE,
            source=self.table.quoted,
        )  # fmt: skip

    @property
    def place(self) -> tuple[sql.Composable, sql.Composable]:
        """Where the row's current version lies: table and ctid."""
        if self.key:
            return sql.SQL("r.tableoid"), sql.SQL("r.ctid")
        return sql.SQL("r.{}").format(_TABLE), sql.SQL("r.{}").format(_PLACE)

    @property
    def row_digest(self) -> sql.Composed:
        """The digest of a row of the table itself."""
        return self.digest_of("r")

    def digest_of(self, alias: str) -> sql.Composed:
        values = listed(sql.Identifier(alias, name) for name in self.digested)
        return sql.SQL("left(encode(sha256(convert_to(ROW({})::text, 'UTF8')), 'hex'), 32)").format(values)

    @property
    def key_texts(self) -> list[sql.Composed]:
        if self.key:
            return [sql.SQL("{}::text").format(sql.Identifier("r", each.name)) for each in self.key]
        return [sql.SQL("r.{}::text").format(name) for name in (DIGEST, OCCURRENCE)]

    def ordered(self, chosen: Sequence[Key] | None = None) -> sql.Composed:
        """Key texts and digest of every row (or the chosen ones), in an order that both sides share."""
        digest = self.row_digest if self.key else sql.SQL("''")
        where = sql.SQL("") if chosen is None else sql.SQL(" WHERE ") + self.among(chosen)
        return sql.SQL("SELECT {}, {} FROM {}{} ORDER BY {}").format(
            listed(self.key_texts), digest, self.rows, where, listed(self._order)
        )

    @property
    def _order(self) -> list[sql.Composed]:
        if not self.key:
            return [sql.SQL('r.{} COLLATE "C"').format(DIGEST), sql.SQL("r.{}").format(OCCURRENCE)]
        return [_order(each) for each in self.key]

    @property
    def whole_numbers(self) -> tuple[bool, ...]:
        """Which parts of the key are ordered as numbers; the others as the bytes of their text."""
        return tuple(each.type in INTEGERS for each in self.key) if self.key else (False, True)

    def among(self, keys: Sequence[Key]) -> sql.Composed:
        """Whether the row has one of these keys."""
        names = [sql.Identifier("k", f"k{number}") for number in range(len(self.whole_numbers))]
        arrays = listed(
            sql.SQL("{}::text[]").format(sql.Literal([key[number] for key in keys]))
            for number in range(len(names))
        )
        inner = listed(sql.Identifier(f"k{number}") for number in range(len(names)))
        return sql.SQL("EXISTS (SELECT FROM unnest({}) AS k ({}) WHERE {})").format(
            arrays, inner, self.matches(names)
        )

    def matches(self, texts: Sequence[sql.Composable]) -> sql.Composed:
        """Whether the row has the key given as text expressions."""
        if not self.key:
            return sql.SQL("r.{} = {} AND r.{} = {}::bigint").format(DIGEST, texts[0], OCCURRENCE, texts[1])
        return every(
            sql.SQL("{} {} {}::{}").format(
                sql.Identifier("r", each.name), each.equals, text, sql.SQL(each.type)
            )
            for each, text in zip(self.key, texts, strict=True)
        )

    def same_key(self, alias: str) -> sql.Composed:
        """Whether the row has the key of `alias`, which has the key's columns (or digest and occurrence)."""
        if not self.key:
            return every(
                sql.SQL("r.{0} = {1}.{0}").format(name, sql.Identifier(alias))
                for name in (DIGEST, OCCURRENCE)
            )
        return every(
            sql.SQL("{} {} {}").format(
                sql.Identifier("r", each.name), each.equals, sql.Identifier(alias, each.name)
            )
            for each in self.key
        )


def _order(column: KeyColumn) -> sql.Composed:
    """Whole numbers and UUIDs in their own order, which an index gives; all else by the bytes of its text."""
    name = sql.Identifier("r", column.name)
    if column.type in INTEGERS or column.type == "uuid":
        return sql.SQL("{}").format(name)
    return sql.SQL("convert_to({}::text, 'UTF8')").format(name)


def operator(qualified: str) -> sql.SQL:
    """`OPERATOR(pg_catalog.=)`; the name comes quoted from the catalog."""
    return sql.SQL(f"OPERATOR({qualified})")


def listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(list(parts))


def every(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(" AND ").join(list(parts))
