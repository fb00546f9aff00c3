"""The backup that a new one builds on: what it holds, by path and block, in the words of the new one.

The new backup's manifest names as its sources itself, the base, and then the base's own sources in their
order: so a source of the base is one higher here.
"""

from __future__ import annotations

import json
import os
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import zstandard

from dataprotect.storage.backends.base import ObjectMissing
from dataprotect.storage.copying import Packs
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import BLOCK, Block, FileEntry, Located
from dataprotect.storage.pipeline.comparing import OldBlock, parse_pieces
from dataprotect.storage.pipeline.frames import HEADER, FrameDecoder
from dataprotect.storage.pipeline.spool import private_database

_CACHED_FRAMES = 64
_CACHED_DECODERS = 1024
_NONE = -1
_LENGTH = Located._fields.index("length")
_encode = json.JSONEncoder(separators=(",", ":")).encode

ReadFrame = Callable[[Located], bytes]
"""The plain bytes of the frame at that place, whose source counts as in the base's manifest."""


class Base:
    """Made by `Repository.base`; closed by whoever made it. Thread-safe but for `match`."""

    def __init__(
        self,
        sources: list[tuple[str, str]],
        files: Iterable[tuple[FileEntry | None, list[Block]]],
        read_frame: ReadFrame,
        spool: Path | None,
    ) -> None:
        self.sources = sources
        """(backup id, data-key id): the base itself, then what its manifest names besides."""
        self._matched = array("q")
        self._read_frame = lru_cache(_CACHED_FRAMES)(read_frame)
        self._lock = threading.Lock()
        self._database = private_database(spool)
        try:
            self._fill(files)
        except BaseException:
            self._database.close()
            raise

    @property
    def backup_id(self) -> str:
        return self.sources[0][0]

    def match(self, path: str) -> None:
        """The next file number of the new backup is that of `path`. Numbers count from 0 without gaps."""
        with self._lock:
            row = self._database.execute("SELECT number FROM file WHERE path = ?", (os.fsencode(path),))
            found = row.fetchone()
        self._matched.append(found[0] if found else _NONE)

    def block(self, number: int, offset: int) -> OldBlock | None:
        """The base's block at `offset` of the file with that number in the new backup."""
        file = self._matched[number]
        if file == _NONE:
            return None
        with self._lock:
            row = self._database.execute(
                "SELECT digest, length, pieces, pages FROM block WHERE file = ? AND position = ?",
                (file, offset // BLOCK),
            ).fetchone()
        return OldBlock(*row) if row else None

    def hashes(self, block: OldBlock) -> bytes:
        """The hashes of the block's pages, b'' without any. Raises DamagedObject when they are damaged."""
        if not block.pages:
            return b""
        place = Located(*parse_pieces(block.pages)[0])
        frame = self._read_frame(place._replace(source=place.source - 1, at=0, length=place.plain))
        return frame[place.at : place.at + place.length]

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _fill(self, files: Iterable[tuple[FileEntry | None, list[Block]]]) -> None:
        for statement in (
            "CREATE TABLE file (path BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE block (file INTEGER, position INTEGER, digest BLOB NOT NULL,"
            " length INTEGER NOT NULL, pieces TEXT NOT NULL, pages TEXT NOT NULL,"
            " PRIMARY KEY (file, position)) WITHOUT ROWID",
        ):
            self._database.execute(statement)
        self._database.executemany("INSERT INTO block VALUES (?,?,?,?,?,?)", self._rows(files))

    def _rows(
        self, files: Iterable[tuple[FileEntry | None, list[Block]]]
    ) -> Iterator[tuple[int, int, bytes, int, str, str]]:
        number, position = -1, 0
        for entry, blocks in files:
            if entry is not None:
                number, position = number + 1, 0
                self._database.execute("INSERT INTO file VALUES (?,?)", (os.fsencode(entry.path), number))
            for block in blocks:
                length = sum([piece[_LENGTH] for piece in block.pieces])
                pages = [] if block.pages is None else [list(block.pages)]
                yield number, position, block.digest, length, _shifted(block.pieces), _shifted(pages)
                position += 1


class FrameReader:
    """Single frames of a backup and its sources, read one at a time. Thread-safe."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._decoder = lru_cache(_CACHED_DECODERS)(self._open)

    def read(self, place: Located) -> bytes:
        """The plain bytes of the frame at `place`. Raises DamagedObject."""
        decoder = self._decoder(place.source, place.pack)
        try:
            data = self._packs.backend.read(decoder.name, place.offset, place.stored)
        except ObjectMissing as error:
            raise DamagedObject(decoder.name, "it is missing") from error
        if len(data) != place.stored:
            raise DamagedObject(decoder.name, "it ends too early")
        return decoder.decode(place.frame, memoryview(data), place.plain, zstandard.ZstdDecompressor())

    def _open(self, source: int, pack: int) -> FrameDecoder:
        name = self._packs.name(source, pack)
        try:
            header = self._packs.backend.read(name, 0, HEADER.size)
        except ObjectMissing as error:
            raise DamagedObject(name, "it is missing") from error
        return self._packs.open(source, pack, header)


def _shifted(places: list[list[int]]) -> str:
    """Places as JSON without the outer brackets, their sources counted as in the new backup: one more, in
    `places` too.
    """
    for place in places:
        place[0] += 1
    return _encode(places)[1:-1]
