"""Many small files in one chunk, so that a hundred thousand of them cost little more than their bytes."""

from __future__ import annotations

from collections.abc import Callable

from dataprotect.engine.databases.postgresql.intake import Intake
from dataprotect.engine.databases.postgresql.layout import RelationFile
from dataprotect.engine.databases.postgresql.page_inspection import PageInspector, ReadAgain, WholeFile
from dataprotect.storage.model import BLOCK, Piece

LIMIT = 128 * 1024
"""Files up to this size are gathered; larger ones get chunks of their own."""


class SmallFiles:
    """Gathers whole small files; `flush` at the end. Used by one thread."""

    def __init__(self, intake: Intake, inspector: PageInspector) -> None:
        self._intake, self._inspector = intake, inspector
        self._begin()

    def _begin(self) -> None:
        self._buffer = bytearray(BLOCK)
        self._used = 0
        self._files: list[WholeFile] = []
        self._pieces: list[Piece] = []

    def room(self, size: int) -> memoryview:
        """Where the next file of `size` bytes is to be written; `keep` must follow if it was."""
        if self._used + size > BLOCK:
            self.flush()
        return memoryview(self._buffer)[self._used : self._used + size]

    def keep(
        self,
        number: int,
        path: str,
        size: int,
        relation: RelationFile | None = None,
        again: ReadAgain | None = None,
    ) -> None:
        """The file `number` now lies in the room that was asked for."""
        if not size:
            return
        self._pieces.append(Piece(number, 0, size))
        if relation is not None:
            data = memoryview(self._buffer)[self._used : self._used + size]
            self._files.append(WholeFile(path, relation, data, again))
        self._used += size

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._pieces:
            self._intake.submit(self._pieces, self._reading())
        self._begin()

    def _reading(self) -> Callable[[memoryview], memoryview]:
        data, files, inspector = memoryview(self._buffer)[: self._used], self._files, self._inspector

        def read(_buffer: memoryview) -> memoryview:
            inspector.inspect_files(files)
            return data

        return read
