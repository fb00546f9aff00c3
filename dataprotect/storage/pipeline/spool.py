"""What a running backup knows so far, on disk, so that memory stays flat and the manifest comes out sorted.

A SQLite file that is unlinked as soon as it is open: it vanishes with the process, however that dies.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.model import Entry

_TABLES = """
CREATE TABLE entry (number INTEGER PRIMARY KEY, path BLOB NOT NULL, kind TEXT NOT NULL, mode INTEGER NOT NULL,
                    mtime REAL NOT NULL, size INTEGER NOT NULL, link BLOB NOT NULL);
CREATE TABLE block (file INTEGER, position INTEGER, digest BLOB NOT NULL, pieces TEXT NOT NULL,
                    pages TEXT NOT NULL, PRIMARY KEY (file, position)) WITHOUT ROWID;
"""

BlockRow = tuple[int, int, bytes, str, str]
"""File number, position (offset // BLOCK), digest, pieces as JSON, place of the page hashes as JSON or ''."""

EntryRow = tuple[int, bytes, str, int, float, int, bytes]
"""Number, path, kind, mode, mtime, size, link."""


def private_database(folder: Path | None) -> sqlite3.Connection:
    """A fast, unlinked, 0600 SQLite database in `folder` (the system's temporary folder when None)."""
    descriptor, path = tempfile.mkstemp(prefix="dataprotect-spool-", dir=folder)
    os.close(descriptor)
    try:
        # isolation_level None: one explicit transaction for all; nothing here must survive a crash.
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
            "PRAGMA cache_size=-4096; PRAGMA temp_store=FILE; BEGIN;"
        )
        database.execute("CREATE TABLE opened (x)")
    finally:
        Path(path).unlink()
    return database


class Spool:
    """Entries and blocks of one backup. Thread-safe."""

    def __init__(self, folder: Path | None = None) -> None:
        self._database = private_database(folder)
        for statement in _TABLES.split(";"):
            self._database.execute(statement)
        self._lock = threading.Lock()

    def add_entries(self, rows: Iterable[tuple[int, Entry]]) -> None:
        self._insert(
            "INSERT INTO entry VALUES (?,?,?,?,?,?,?)",
            [
                (number, os.fsencode(e.path), e.kind, e.mode, e.mtime, e.size, os.fsencode(e.link))
                for number, e in rows
            ],
        )

    def add_blocks(self, rows: list[BlockRow]) -> None:
        """Raises ValueError when a block was stored twice."""
        try:
            self._insert("INSERT INTO block VALUES (?,?,?,?,?)", rows)
        except sqlite3.IntegrityError as error:
            raise ValueError("a block of a file was submitted twice") from error

    def entries(self) -> Iterator[EntryRow]:
        """All entries by the bytes of their paths. Raises ValueError when a path was added twice."""
        try:
            self._database.execute("CREATE UNIQUE INDEX by_path ON entry (path)")
        except sqlite3.IntegrityError as error:
            raise ValueError("two entries have the same path") from error
        yield from self._database.execute(
            "SELECT number, path, kind, mode, mtime, size, link FROM entry ORDER BY path"
        )

    def blocks(self, number: int) -> Iterator[tuple[int, bytes, str, str]]:
        """Position, digest, pieces and page hashes of the file's blocks, in order."""
        yield from self._database.execute(
            "SELECT position, digest, pieces, pages FROM block WHERE file = ? ORDER BY position", (number,)
        )

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _insert(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            with self._lock:
                self._database.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise ForeseenError(
                "spool.failed",
                f"The temporary list of this backup could not be written: {error}.",
                "Free space in the spool folder, then run the backup again.",
            ) from error
