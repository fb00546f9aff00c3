"""Damaged pages of the source, with the names people know their tables by."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import partial

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.connection import Connection, connect
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE
from dataprotect.engine.databases.postgresql.page_inspection import Page, PageInspector
from dataprotect.engine.model import Address

_PLACE = re.compile(
    r"(?:global|base/(?P<default>\d+)|(?:tablespaces|pg_tblspc)/(?P<space>\d+)/[^/]+/(?P<database>\d+))"
    r"/(?P<node>\d+)[^/]*"
)
_DEFAULT_SPACE, _GLOBAL_SPACE = 1663, 1664
_NAME = "SELECT pg_filenode_relation(%s::oid, %s::oid)::regclass::text"


def describe(address: Address, pages: Iterable[Page]) -> tuple[str, ...]:
    """`base/16384/2619 (public.orders) block 7` for each page, in order of path and block."""
    by_database: dict[int | None, list[Page]] = defaultdict(list)
    for page in sorted(pages, key=lambda each: (each.path, each.block)):
        by_database[_database(_shown(page))].append(page)
    found: list[str] = []
    for database, group in by_database.items():
        names = _relation_names(address, database, {_relation(_shown(page)) for page in group})
        for page in group:
            name = names.get(_relation(_shown(page)))
            found.append(f"{_shown(page)} ({name or 'relation unknown'}) block {page.block}")
    return tuple(found)


def second_look(connection: Connection, inspector: PageInspector) -> list[Page]:
    """Read the unclear pages of a streamed backup again through the server.

    Those that stay damaged are added to the inspector's; those that were only being written are dropped.
    Returns those that nobody could read again.
    """
    unread = []
    for page in inspector.unclear:
        try:
            again = inspector.look_again(page, partial(_read, connection, page))
        except psycopg.Error:
            unread.append(page)
            continue
        if again is None:
            inspector.damaged.append(page)
    inspector.unclear.clear()
    return unread


def _read(connection: Connection, page: Page, offset: int) -> bytes:
    path = re.sub(r"^tablespaces/", "pg_tblspc/", _shown(page))
    row = connection.execute(
        "SELECT pg_read_binary_file(%s, %s, %s, true)", (path, offset, PAGE_SIZE)
    ).fetchone()
    return bytes(row[0]) if row and row[0] is not None else b""


def _shown(page: Page) -> str:
    return page.path.removeprefix("pgdata/")


def _database(path: str) -> int | None:
    found = _PLACE.fullmatch(path)
    number = (found["default"] or found["database"]) if found else None
    return int(number) if number else None


def _relation(path: str) -> tuple[int, int]:
    """Tablespace and relfilenode."""
    found = _PLACE.fullmatch(path)
    if found is None:
        return (0, 0)
    space = int(found["space"] or (_DEFAULT_SPACE if found["default"] else _GLOBAL_SPACE))
    return space, int(found["node"])


def _relation_names(
    address: Address, database: int | None, relations: set[tuple[int, int]]
) -> dict[tuple[int, int], str]:
    """What could be found out; a database we may not enter keeps its secrets."""
    try:
        with connect(address, statement_timeout=30) as connection:
            row = connection.execute("SELECT datname FROM pg_database WHERE oid = %s", (database,)).fetchone()
        if database is not None and row is None:
            return {}
        name = row[0] if row else None
        with connect(address, database=name, statement_timeout=30) as connection:
            found = {each: connection.execute(_NAME, each).fetchone() for each in relations}
    except (ForeseenError, psycopg.Error):
        return {}
    return {each: row[0] for each, row in found.items() if row and row[0]}
