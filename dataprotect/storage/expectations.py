"""What a manifest promises, noted on disk in the order of the packs: packs can be checked one by one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dataprotect.storage.pipeline.spool import private_database

_ROWS = 1000


class Expected(NamedTuple):
    """A piece: the frame it is in, the part of it, and the digest when the piece is a whole block.

    `pages` is then where the block's page hashes lie (JSON), '' for a block without."""

    frame: int
    offset: int
    stored: int
    plain: int
    at: int
    length: int
    digest: bytes | None
    file: int
    pages: str = ""


class Expectations:
    """Thread-safe. `path` finds the name of a file number again."""

    def __init__(self, folder: Path | None) -> None:
        self._database = private_database(folder)
        self._lock = threading.Lock()
        self._rows: list[tuple[object, ...]] = []
        for statement in (
            "CREATE TABLE file (number INTEGER PRIMARY KEY, path BLOB)",
            "CREATE TABLE piece (source INTEGER, pack INTEGER, frame INTEGER, offset INTEGER, stored INTEGER,"
            " plain INTEGER, at INTEGER, length INTEGER, digest BLOB, file INTEGER, pages TEXT)",
            "CREATE TABLE scattered (number INTEGER PRIMARY KEY, file INTEGER, digest BLOB, pieces TEXT,"
            " pages TEXT)",
        ):
            self._database.execute(statement)

    def add_file(self, number: int, path: str) -> None:
        self._database.execute("INSERT INTO file VALUES (?,?)", (number, os.fsencode(path)))

    def add_block(
        self, file: int, digest: bytes, pieces: list[list[int]], encoded: str, pages: str = ""
    ) -> None:
        """`pieces` as in the manifest. A block of several pieces is kept whole too, to be put together."""
        whole = digest if len(pieces) == 1 else None
        self._rows += [(*piece, whole, file, pages if whole else "") for piece in pieces]
        if whole is None:
            self._database.execute(
                "INSERT INTO scattered (file, digest, pieces, pages) VALUES (?,?,?,?)",
                (file, digest, encoded, pages),
            )
        if len(self._rows) >= _ROWS:
            self._flush()

    def complete(self) -> None:
        """All blocks are in; to be called once, before anything is asked."""
        self._flush()
        self._database.execute("CREATE INDEX by_frame ON piece (source, pack, frame)")

    def packs(self) -> list[tuple[int, int]]:
        """Every (source, pack) that some piece lies in."""
        return list(self._database.execute("SELECT DISTINCT source, pack FROM piece ORDER BY source, pack"))

    def pieces(self, source: int, pack: int) -> Iterator[Expected]:
        """The pieces in one pack, by frame."""
        with self._lock:
            cursor = self._database.execute(
                "SELECT frame, offset, stored, plain, at, length, digest, file, pages FROM piece"
                " WHERE source = ? AND pack = ? ORDER BY frame",
                (source, pack),
            )
        while True:
            with self._lock:
                rows = cursor.fetchmany(_ROWS)
            if not rows:
                return
            yield from (Expected(*row) for row in rows)

    def scattered(self) -> Iterator[tuple[int, bytes, str, str]]:
        """File, digest, pieces and page hashes (JSON) of every block that has several pieces."""
        yield from self._database.execute("SELECT file, digest, pieces, pages FROM scattered ORDER BY number")

    def path(self, file: int) -> str:
        with self._lock:
            row = self._database.execute("SELECT path FROM file WHERE number = ?", (file,)).fetchone()
        return os.fsdecode(row[0])

    def close(self) -> None:
        self._database.close()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO piece VALUES (?,?,?,?,?,?,?,?,?,?,?)", self._rows)
        self._rows = []
