"""What would make a rescue fail later, or what a person should know before: one check each, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described, one
from dataprotect.engine.databases.postgresql.table_rescue.foreign_keys import Reference
from dataprotect.engine.databases.postgresql.table_rescue.pairing import Pair
from dataprotect.engine.databases.postgresql.table_rescue.triggers import Handling
from dataprotect.engine.model import Check
from dataprotect.engine.table_rescue_model import Mode, TableName

_RIGHTS = {
    "beside": (), "merge": ("SELECT", "INSERT"), "rows": ("SELECT", "INSERT", "UPDATE"),
    "replace": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}  # fmt: skip
_HARMLESS = ("no action", "restrict")


@dataclass(frozen=True, slots=True)
class Looked:
    """One table and everything that was read about it. together: all tables of the same rescue."""

    pair: Pair
    mode: Mode
    references: Sequence[Reference]
    handled: Handling
    large_object_columns: tuple[str, ...]
    together: Collection[TableName]


def checks(connection: Connection, looked: Looked) -> Iterator[Check]:
    """All that apply to the mode. What stands on neither side ends the list early."""
    there = list(_there(looked))
    yield from there
    if any(check.passed is False for check in there):
        return
    yield _server(connection)
    yield _database_rights(connection)
    if looked.mode == "beside":
        yield _schema_right(connection, looked.pair)
        yield _types(connection, looked.pair)
    else:
        yield from _into_live(connection, looked)
    if looked.large_object_columns:
        names = ", ".join(looked.large_object_columns)
        yield Check(
            "large objects", None, "", f"{names} name large objects: those that are missing are created anew "
            "under their numbers, those that are there are left as they are",
        )  # fmt: skip


def _there(looked: Looked) -> Iterator[Check]:
    source, target = looked.pair.source, looked.pair.target
    yield _is_table("in the clone", source)
    if source is not None and source.unlogged:
        yield Check(
            "rows in the clone", False, "logged rows", "the table is unlogged: no backup holds its rows"
        )
    if looked.mode != "beside":
        yield _is_table("in the live database", target)
        if target is not None and target.rules:
            yield Check("rules", False, "none", "rules rewrite what is written to the table")


def _is_table(where: str, found: Described | None) -> Check:
    passed = found is not None and found.is_table
    return Check(f"table {where}", passed, "a table", found.kind if found else "nothing of this name")


def _into_live(connection: Connection, looked: Looked) -> Iterator[Check]:
    _, target = looked.pair.both
    yield _table_rights(connection, target, looked.mode)
    yield _policies(target)
    yield _key(looked)
    yield from _columns(looked)
    yield Check("triggers", looked.handled.method != "impossible", "", looked.handled.sentence)
    yield from _references(looked)
    if looked.mode == "replace":
        yield Check("lock", None, "", "other sessions read on, but cannot write to it until the rescue ends")
    if target.has_children and target.kind == "table":
        yield Check(
            "inheritance", None, "", "only the table's own rows, not those of tables that inherit from it"
        )
    yield from _publications(connection, target)


def _server(connection: Connection) -> Check:
    read_only = bool(
        one(connection, b"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")[0]
    )
    return Check("server", not read_only, "accepts writes", "read only" if read_only else "accepts writes")


def _database_rights(connection: Connection) -> Check:
    may, temporary = one(
        connection,
        b"SELECT has_database_privilege(current_database(), 'CREATE'), "
        b"has_database_privilege(current_database(), 'TEMP')",
    )
    lacking = [right for right, has in (("CREATE", may), ("TEMPORARY", temporary)) if not has]
    return _rights("rights in the database", lacking, "CREATE for the undo record, TEMPORARY to stage rows")


def _table_rights(connection: Connection, target: Described, mode: Mode) -> Check:
    lacking = [
        right for right in _RIGHTS[mode]
        if not one(connection, b"SELECT has_table_privilege(%s::oid, %s)", target.oid, right)[0]
    ]  # fmt: skip
    return _rights("rights on the table", lacking, ", ".join(_RIGHTS[mode]))


def _schema_right(connection: Connection, pair: Pair) -> Check:
    name = pair.name.schema
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [name]).fetchone() is None:
        return Check("schema", False, f"a schema {name}", "there is none")
    may = one(connection, b"SELECT has_schema_privilege(%s, 'CREATE')", name)[0]
    return _rights("rights in the schema", [] if may else ["CREATE"], "CREATE")


def _rights(name: str, lacking: Sequence[str], wanted: str) -> Check:
    return Check(name, not lacking, wanted, f"lacks {', '.join(lacking)}" if lacking else "has them")


def _types(connection: Connection, pair: Pair) -> Check:
    assert pair.source is not None  # noqa: S101  `_there` passed
    names = sorted({each.type for each in pair.source.columns})
    rows = connection.execute(
        "SELECT t FROM unnest(%s::text[]) AS t WHERE to_regtype(t) IS NULL",
        [[n.partition("(")[0] for n in names]],
    )
    lacking = [str(row[0]) for row in rows]
    found = f"the live database lacks {', '.join(lacking)}" if lacking else "all are there"
    return Check("types", not lacking, "every column's type", found)


def _policies(target: Described) -> Check:
    if target.policies_apply:
        return Check(
            "row-level security", False, "a user that sees every row",
            "policies hide rows from this user: use one with BYPASSRLS, or the owner where it is not forced",
        )  # fmt: skip
    found = "policies are there, this user sees every row" if target.row_security else "none"
    return Check("row-level security", True, "a user that sees every row", found)


def _key(looked: Looked) -> Check:
    if names := looked.pair.key_columns:
        return Check("key", True, "a key on both sides", ", ".join(names))
    if looked.mode == "rows":
        return Check("key", False, "a key on both sides", "none: single rows cannot be told apart")
    found = "none: rows are told apart by their whole content"
    if looked.mode == "merge":
        found += ", and the old version of a row changed since is inserted beside the new one"
    return Check("key", None, "a key on both sides", found)


def _columns(looked: Looked) -> Iterator[Check]:
    _, target = looked.pair.both
    compared = looked.pair.compared
    for each in looked.pair.columns:
        name = f"column {each.name}"
        here = target.column(each.name)
        if each.difference == "dropped":
            yield Check(name, None, "", "dropped since: its values do not come back")
        elif here is not None and not here.generated and each.difference == "added":
            if here.not_null and not here.filled:
                yield Check(
                    name, False, "", "added since, never null, no default: no old row can be inserted"
                )
            else:
                yield Check(name, None, "", "added since: rows inserted get its default")
        elif each.difference == "retyped":
            said = f"was {each.source_type}, is {each.target_type}: values are converted from their text"
            said += "" if each.name in compared else " and not compared"
            yield Check(name, None, "", said)


def _references(looked: Looked) -> Iterator[Check]:
    name = looked.pair.name
    for each in looked.references:
        key = each.key
        label = f"foreign key {key.name}"
        if key.table == name and key.referenced not in looked.together:
            yield Check(
                label, None, "", f"rows need their row in {key.referenced}, which is not rescued with it"
            )
        if key.referenced == name and looked.mode == "replace" and key.table not in looked.together:
            yield Check(label, None, "", _left_out(key.table, key.on_delete))


def _left_out(table: TableName, on_delete: str) -> str:
    said = f"a row that {table} refers to cannot go, and {table} is not rescued with it"
    if on_delete in _HARMLESS:
        return said
    return f"{said}; its ON DELETE {on_delete.upper()} is not let loose"


def _publications(connection: Connection, target: Described) -> Iterator[Check]:
    rows = connection.execute("SELECT pubname FROM pg_publication WHERE puballtables ORDER BY pubname")
    if names := [str(row[0]) for row in rows]:
        yield Check(
            "publications", None, "", f"{', '.join(names)} publishes all tables, so also those of the undo "
            "record: subscribers without them stop, and rows that are written travel on",
        )  # fmt: skip
        return
    query = b"""SELECT string_agg(DISTINCT pubname, ', ') FROM pg_publication_tables
        WHERE schemaname = %s AND tablename = %s"""
    published = one(connection, query, target.name.schema, target.name.table)[0]
    if published:
        yield Check(
            "publications", None, "", f"{published} sends the rows that are written on to subscribers"
        )
