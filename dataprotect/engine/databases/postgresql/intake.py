"""Where readers put what they read: entries and chunks go to the backup writer, counted, at its pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Condition

from dataprotect.core.progress import Reporter
from dataprotect.storage.model import BLOCK, ChunkTask, Entry, Piece
from dataprotect.storage.writer import BackupWriter

Read = Callable[[memoryview], memoryview | None]
_LOOK_EVERY = 0.2


class Intake:
    """Used by one thread. `between` runs before every chunk: there received log segments are passed on."""

    def __init__(self, writer: BackupWriter, reporter: Reporter) -> None:
        self.writer = writer
        self.reporter = reporter
        self.between: Callable[[], None] = lambda: None
        self.files = 0
        self.bytes = 0
        self.warnings: list[str] = []
        self._unread = 0
        self._changed = Condition()

    def directory(self, path: str, mode: int, mtime: float) -> None:
        self.writer.add(Entry(path, "directory", mode & 0o7777, mtime, 0))

    def symlink(self, path: str, target: str) -> None:
        self.writer.add(Entry(path, "symlink", 0o777, time.time(), 0, link=target))

    def file(self, path: str, mode: int, mtime: float, size: int) -> int:
        """Announce a regular file; its content follows as pieces that carry the number returned."""
        self.files += 1
        self.bytes += size
        return self.writer.add(Entry(path, "file", mode & 0o7777, mtime, size))

    def content(self, path: str, data: bytes, mode: int = 0o600) -> None:
        """A small file whose bytes are at hand."""
        number = self.file(path, mode, time.time(), len(data))
        for offset in range(0, len(data), BLOCK):
            part = memoryview(data)[offset : offset + BLOCK]
            self.submit([Piece(number, offset, len(part))], partial(_at_hand, part))

    def submit(self, pieces: Sequence[Piece], read: Read) -> None:
        """Hand a chunk to the writer's threads; waits while they are behind. A safe point."""
        self.between()
        with self._changed:
            self._unread += 1
        self.writer.submit(ChunkTask(pieces=pieces, read=partial(self._counted, read)))

    def settle(self) -> None:
        """Wait until every chunk handed over was read (not: stored). Raises what the writer failed with."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._unread == 0, timeout=_LOOK_EVERY):
                    return
            self.writer.raise_failure()
            self.reporter.checkpoint()

    def _counted(self, read: Read, buffer: memoryview) -> memoryview | None:
        data = read(buffer)
        with self._changed:
            self._unread -= 1
            if not self._unread:
                self._changed.notify_all()
        return data


def _at_hand(data: memoryview, _buffer: memoryview) -> memoryview:
    return data
