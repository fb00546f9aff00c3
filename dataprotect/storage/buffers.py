"""Memory for blocks that is used again and again.

A new megabyte costs more than filling it: the system hands out its pages one by one, cleared. It begins at a
memory page, so that it can be written to a disk directly.
"""

from __future__ import annotations

import mmap

from dataprotect.storage.model import BLOCK


class BlockBuffers:
    """Keeps what was given back; holds as many buffers as were ever taken at once. Thread-safe."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """BLOCK bytes of whatever was in them before."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(mmap.mmap(-1, BLOCK))

    def give_back(self, buffer: memoryview) -> None:
        self._free.append(buffer)
