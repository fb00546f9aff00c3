"""The tables' own triggers: which there are, and how they are kept asleep while rows are written.

Replica mode is a setting of our session and locks nothing, but needs a right and silences the server's
foreign key checks too (they are proved by us then). ALTER TABLE silences chosen triggers and leaves foreign
keys to the server, but holds writers of the table off until we commit. Where no trigger would fire, neither
is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue.catalog import one
from dataprotect.engine.table_rescue_model import Triggers

_TRIGGERS = """
SELECT n.nspname, c.relname, t.tgname, t.tgenabled::text, pg_has_role(c.relowner, 'USAGE')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgrelid IN (
    SELECT unnest(%s::oid[]) UNION SELECT p.relid FROM unnest(%s::oid[]) AS o, pg_partition_tree(o) AS p)
ORDER BY n.nspname, c.relname, t.tgname
"""
_AWAKE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


@dataclass(frozen=True, slots=True)
class Trigger:
    schema: str
    table: str
    name: str
    enabled: str
    owned: bool


@dataclass(frozen=True, slots=True)
class Handling:
    """How triggers are handled, and the sentence that says so. `impossible`: they cannot be kept asleep."""

    method: Literal["none", "fire", "replica", "alter", "impossible"]
    sentence: str
    triggers: tuple[Trigger, ...] = ()


def triggers(connection: Connection, tables: Sequence[int]) -> list[Trigger]:
    """Enabled triggers of the users on these tables and their partitions."""
    oids = list(tables)
    return [Trigger(*row) for row in connection.execute(_TRIGGERS.encode(), [oids, oids])]


def handling(connection: Connection, found: Sequence[Trigger], wanted: Triggers) -> Handling:
    """What will be done about `found`."""
    names = ", ".join(sorted({each.name for each in found}))
    if not any(each.enabled in "OA" for each in found):
        return Handling("none", "No trigger of the tables' own would fire.")
    if wanted == "fire":
        return Handling("fire", f"Triggers fired for every row written: {names}.")
    if all(each.enabled == "O" for each in found) and _may_replicate(connection):
        return Handling(
            "replica",
            f"Triggers did not fire ({names}): the session wrote in replica mode, which locks nothing; "
            "foreign keys were checked by statements of our own.",
        )
    if all(each.owned for each in found):
        return Handling(
            "alter",
            f"Triggers did not fire ({names}): they were disabled inside the transaction, which held off "
            "other writers of these tables until it ended.",
            tuple(found),
        )
    return Handling(
        "impossible",
        f"Triggers cannot be kept from firing ({names}): the user may neither set session_replication_role "
        "nor alter the tables.",
    )


@contextmanager
def asleep(connection: Connection, handled: Handling) -> Iterator[None]:
    """Inside, the triggers do not fire. After an error nothing is put back: the transaction is gone."""
    if handled.method == "replica":
        connection.execute("SET LOCAL session_replication_role = replica")
    elif handled.method == "alter":
        for each in handled.triggers:
            _alter(connection, each, "DISABLE")
    yield
    if handled.method == "replica":
        connection.execute("SET LOCAL session_replication_role = origin")
    elif handled.method == "alter":
        for each in handled.triggers:
            _alter(connection, each, _AWAKE[each.enabled])


def _alter(connection: Connection, each: Trigger, state: str) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE ONLY {} {} TRIGGER {}").format(
            sql.Identifier(each.schema, each.table), sql.SQL(state), sql.Identifier(each.name)
        )
    )  # fmt: skip


def _may_replicate(connection: Connection) -> bool:
    return bool(one(connection, b"SELECT has_parameter_privilege('session_replication_role', 'SET')")[0])
