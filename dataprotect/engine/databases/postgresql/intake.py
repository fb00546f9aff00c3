"""Where readers put what they read: entries and chunks go to the backup writer, counted, at its pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Condition

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.page_checksum import dated_since
from dataprotect.storage.model import BLOCK, ChunkTask, Entry, Pages, PageTask, Piece
from dataprotect.storage.writer import BackupWriter

Read = Callable[[memoryview], memoryview | None]
Examine = Callable[[memoryview, Pages | None], bool]
"""Looks at the marked pages (None: at all) of what was read; True when it put them right."""

_LOOK_EVERY = 0.2


class Intake:
    """Used by one thread. `between` runs before every chunk: there received log segments are passed on.

    since: the position the base began at. Pages that claim it or a later one are stored whatever they hold.
    """

    def __init__(self, writer: BackupWriter, reporter: Reporter, since: int = 0) -> None:
        self.since = since
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

    def submit_pages(self, pieces: Sequence[Piece], read: Read, examine: Examine) -> None:
        """Hand over blocks of a main fork, whose pages are compared with the base's one by one."""
        self.between()
        with self._changed:
            self._unread += 1
        since = self.since
        self.writer.submit(
            PageTask(
                pieces=pieces,
                read=read,
                examine=partial(self._examined, examine),
                newer=lambda data: dated_since(data, since),
            )
        )

    def settle(self) -> None:
        """Wait until everything handed over was read and looked at (not: stored).

        Raises what the writer failed with.
        """
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._unread == 0, timeout=_LOOK_EVERY):
                    return
            self.writer.raise_failure()
            self.reporter.checkpoint()

    def _counted(self, read: Read, buffer: memoryview) -> memoryview | None:
        data = read(buffer)
        self._one_read()
        return data

    def _examined(self, examine: Examine, data: memoryview, changed: Pages | None) -> bool:
        righted = examine(data, changed)
        self._one_read()
        return righted

    def _one_read(self) -> None:
        with self._changed:
            self._unread -= 1
            if not self._unread:
                self._changed.notify_all()


def _at_hand(data: memoryview, _buffer: memoryview) -> memoryview:
    return data
