"""The last step of copying out: whole, proved blocks go to the sink, files end with their last block.

Threads of its own wait for the disk, so that those that decode never do. What waits here is bounded.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from dataprotect.storage.buffers import BlockBuffers
from dataprotect.storage.model import BLOCK, FileEntry, Sink

_THREADS = 4
_WAITING = 32
"""Blocks that are ready and not written yet."""


class Ready(NamedTuple):
    """A block whose digest was right: `data` belongs at `offset` of the file `number`."""

    number: int
    offset: int
    data: memoryview


class Deliveries:
    """Start it by building it, end it by `close`. `failed` is told what a writing thread ran into."""

    def __init__(self, sink: Sink, buffers: BlockBuffers, failed: Callable[[BaseException], None]) -> None:
        self._sink, self._buffers, self._failed = sink, buffers, failed
        self._lock = threading.Lock()
        self._left: dict[int, int] = {}
        self._waiting: queue.Queue[tuple[Ready, memoryview] | None] = queue.Queue(_WAITING)
        self._threads = [
            threading.Thread(target=self._write, name=f"storage-delivery-{n}", daemon=True)
            for n in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def begin(self, entry: FileEntry, number: int) -> None:
        """The next entry, in the caller's thread; what has no blocks ends at once."""
        self._sink.begin(entry, number)
        if entry.size and entry.kind == "file":
            with self._lock:
                self._left[number] = -(-entry.size // BLOCK)
        else:
            self._sink.end(number)

    def now(self, ready: Ready) -> None:
        """Hand it over in the caller's thread. Raises what the sink raises."""
        self._sink.write(*ready)
        with self._lock:
            left = self._left[ready.number] = self._left[ready.number] - 1
            if not left:
                del self._left[ready.number]
        if not left:
            self._sink.end(ready.number)

    def later(self, ready: Ready, buffer: memoryview) -> None:
        """Hand it over in a thread of ours, then give back `buffer`, in which its data lies."""
        self._waiting.put((ready, buffer))

    def close(self) -> None:
        """Returns when everything was handed over, or has failed."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        while (item := self._waiting.get()) is not None:
            ready, buffer = item
            try:
                self.now(ready)
            except BaseException as error:  # noqa: BLE001  raised again by the thread that planned it
                self._failed(error)
            self._buffers.give_back(buffer)
