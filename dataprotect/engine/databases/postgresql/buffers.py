"""Buffers that travel from the thread that fills them to the threads that use them, and come back."""

from __future__ import annotations

import threading
from collections import deque

from dataprotect.storage.model import BLOCK


class BufferPool:
    """One-block buffers. A writer thread may use what it was lent until it is lent the next one.

    That is the writer's own promise about the data a chunk task returns; so nothing has to be copied, and
    there are never more buffers than chunks under way plus one for each thread.
    """

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()
        self._of_thread = threading.local()

    def take(self) -> bytearray:
        """A buffer to fill; its content is whatever it was."""
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(BLOCK)

    def lend(self, buffer: bytearray) -> None:
        """The calling thread works with `buffer` now, and is done with the one it had before."""
        previous = getattr(self._of_thread, "buffer", None)
        if previous is not None:
            self._free.append(previous)
        self._of_thread.buffer = buffer
