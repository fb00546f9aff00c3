"""A table on both sides: which key tells its rows apart, which columns are compared and written."""

from __future__ import annotations

from dataclasses import dataclass

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import catalog
from dataprotect.engine.databases.postgresql.table_rescue.catalog import ColumnInfo, Described, KeyIndex
from dataprotect.engine.databases.postgresql.table_rescue.reading import INTEGERS, KeyColumn, Reading
from dataprotect.engine.table_rescue_model import Column, TableName

_TEXTS = ("text", "character varying")


@dataclass(frozen=True, slots=True)
class Pair:
    """One table here and there; either may be missing."""

    name: TableName
    source: Described | None
    target: Described | None

    @property
    def both(self) -> tuple[Described, Described]:
        assert self.source is not None and self.target is not None  # noqa: S101  checked before
        return self.source, self.target

    @property
    def columns(self) -> tuple[Column, ...]:
        """The live table's columns in their order, then those it no longer has."""
        here = {each.name: each for each in self.target.columns} if self.target else {}
        then = {each.name: each for each in self.source.columns} if self.source else {}
        return tuple(
            _column(here.get(name), then.get(name)) for name in [*here, *(then.keys() - here.keys())]
        )

    @property
    def written(self) -> tuple[str, ...]:
        """Columns that are on both sides, and not generated in the live table."""
        source, target = self.both
        return tuple(c.name for c in target.columns if not c.generated and source.column(c.name))

    @property
    def compared(self) -> tuple[str, ...]:
        """Of the written ones, those whose text can be compared."""
        return tuple(name for name in self.written if self._comparable(name))

    @property
    def keys(self) -> tuple[KeyIndex | None, KeyIndex | None]:
        """The indexes on the source and on the target with the same columns; None without such a key."""
        source, target = self.both
        for here in target.keys:
            for then in source.keys:
                if set(here.columns) == set(then.columns) and all(map(self._comparable, here.columns)):
                    return then, here
        return None, None

    @property
    def key_columns(self) -> tuple[str, ...]:
        if self.source is None or self.target is None:
            present = self.source or self.target
            return present.keys[0].columns if present and present.keys else ()
        here = self.keys[1]
        return here.columns if here else ()

    @property
    def readings(self) -> tuple[Reading, Reading]:
        """How source and target are read, alike."""
        source, target = self.both
        then, here = self.keys
        names = here.columns if here else ()
        return (
            Reading(source, keyed(source, then, names), self.compared),
            Reading(target, keyed(target, here, names), self.compared),
        )

    def _comparable(self, name: str) -> bool:
        source, target = self.both
        here, then = target.column(name), source.column(name)
        return here is not None and then is not None and _alike(then, here)


def pair(source: Connection, target: Connection, name: TableName) -> Pair:
    return Pair(name, catalog.describe(source, name), catalog.describe(target, name))


def keyed(table: Described, index: KeyIndex | None, names: tuple[str, ...]) -> tuple[KeyColumn, ...]:
    """The index's columns in the order of `names`."""
    if index is None:
        return ()
    operators = dict(zip(index.columns, index.operators, strict=True))
    return tuple(KeyColumn(name, _type(table, name), operators[name]) for name in names)


def _type(table: Described, name: str) -> str:
    column = table.column(name)
    assert column is not None  # noqa: S101  the catalog says the index is over it
    return column.base


def _alike(then: ColumnInfo, here: ColumnInfo) -> bool:
    """Whether equal values print alike although the type may have changed."""
    if then.base == here.base:
        return True
    bare = then.base.partition("(")[0], here.base.partition("(")[0]
    return set(bare) <= INTEGERS or all(each in _TEXTS for each in bare)


def _column(here: ColumnInfo | None, then: ColumnInfo | None) -> Column:
    some = here or then
    assert some is not None  # noqa: S101
    identity = {"a": "always", "d": "by default"}.get(some.identity, "")
    return Column(
        some.name, then.type if then else None, here.type if here else None, some.generated, identity
    )
