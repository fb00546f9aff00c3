"""Two databases of one real server: one stays as it was at the instant, the other lives on.

For the rescue a clone is a socket and a database inside it, so a copy of the database serves as well; that it
works from a real clone at an instant is shown once, in test_from_a_clone.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from dataprotect.core.progress import Reporter
from dataprotect.core.secrets import Secret
from dataprotect.engine import table_rescue
from dataprotect.engine.model import Address
from dataprotect.engine.table_rescue_model import (
    Mode,
    RescueRequest,
    RescueResult,
    RescueSource,
    RescueTarget,
    TableComparison,
    TableFacts,
    TableName,
    UndoRequest,
    UndoResult,
)
from tests.servers.postgresql import PostgresServer


def table(name: str, schema: str = "public") -> TableName:
    return TableName(schema, name)


@dataclass
class Two:
    """`live` and `then`: autocommit connections of the superuser, for the test's own statements."""

    server: PostgresServer
    name: str
    live: psycopg.Connection[Any]
    then: psycopg.Connection[Any]
    roles: list[str] = field(default_factory=list)

    @property
    def source(self) -> RescueSource:
        server = self.server
        dsn = make_conninfo(
            host=str(server.folder), port=server.port, user="postgres", password=server.password,
            dbname="postgres",
        )  # fmt: skip
        return RescueSource(dsn, f"{self.name}_then")

    def target(self, user: str = "postgres") -> RescueTarget:
        password = Secret(self.server.password)
        return RescueTarget(Address("127.0.0.1", self.server.port, user, password), f"{self.name}_live")

    def connect(self) -> psycopg.Connection[Any]:
        return self.server.connect(f"{self.name}_live")

    def request(self, mode: Mode, *tables: str, restore_id: str = "r1", **more: Any) -> RescueRequest:
        target, names = self.target(more.pop("user", "postgres")), tuple(table(name) for name in tables)
        return RescueRequest(restore_id, self.source, target, names, mode, **more)

    def rescue(self, mode: Mode, *tables: str, reporter: Reporter | None = None, **more: Any) -> RescueResult:
        return table_rescue.rescue(self.request(mode, *tables, **more), reporter)

    def undo(self, restore_id: str = "r1", reporter: Reporter | None = None, **more: Any) -> UndoResult:
        return table_rescue.undo(UndoRequest(restore_id, self.target(), **more), reporter)

    def compare(self, *tables: str, **more: Any) -> tuple[TableComparison, ...]:
        return table_rescue.compare(self.source, self.target(), [table(name) for name in tables], **more)

    def inspect(self, *tables: str, user: str = "postgres", **more: Any) -> tuple[TableFacts, ...]:
        names = [table(name) for name in tables]
        return table_rescue.inspect(self.source, self.target(user), names, **more)

    def role(self, options: str = "") -> str:
        """A role of its own, that may log in."""
        name = f"{self.name}_role{len(self.roles)}"
        self.live.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + options).format(
                sql.Identifier(name), sql.Literal(self.server.password)
            )
        )
        self.roles.append(name)
        return name


def rows(connection: psycopg.Connection[Any], name: str) -> list[tuple[Any, ...]]:
    """All rows, ordered by their text: for comparing states."""
    query = sql.SQL("SELECT r.* FROM {} AS r ORDER BY r::text").format(sql.Identifier(name))
    return connection.execute(query).fetchall()


def failed(result: RescueResult | UndoResult) -> list[Any]:
    return [check for check in result.checks if check.passed is False]


MakeTwo = Callable[..., Two]


def _emptied(server: PostgresServer, name: str) -> None:
    """The database as if new: dropping one and making another costs ten times as much."""
    with server.connect() as connection:
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
        connection.execute(
            f"ALTER DATABASE {name} RESET ALL" if there is not None else f"CREATE DATABASE {name}"
        )
        connection.execute(f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC")
    with server.connect(name) as connection:
        for (schema,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall():
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        connection.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


@pytest.fixture
def two(postgres: PostgresServer) -> Iterator[MakeTwo]:
    """`two("CREATE TABLE …", "…") -> Two`, once per test: both databases hold what the statements made."""
    name, made = f"rescue{os.getpid()}", list[Two]()

    def make(*statements: str) -> Two:
        for side in ("then", "live"):
            _emptied(postgres, f"{name}_{side}")
        both = Two(postgres, name, postgres.connect(f"{name}_live"), postgres.connect(f"{name}_then"))
        made.append(both)
        for connection in (both.then, both.live):
            for statement in statements:
                connection.execute(statement)
        return both

    yield make
    for each in made:
        each.live.execute("RESET ALL")
        for role in map(sql.Identifier, each.roles):
            each.live.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            each.live.execute(sql.SQL("DROP ROLE {}").format(role))
        each.live.close()
        each.then.close()
