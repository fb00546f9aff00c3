"""A stored object on its way out: counted, hashed and framed as it is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import zstandard

from dataprotect.storage.backends.base import Backend
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.pipeline.frames import FRAME, TAG, FrameEncoder


@dataclass(frozen=True, slots=True)
class StoredObject:
    """As a seal lists it: name relative to the backup's folder, size, SHA-256 (hex) of the stored bytes."""

    name: str
    size: int
    sha256: str


class Place(NamedTuple):
    """Where a frame came to lie in its object."""

    frame: int
    offset: int
    stored: int


class FramedObject:
    """One new object made of frames. `folder` ends with a slash. Belongs to one thread until committed."""

    def __init__(
        self,
        backend: Backend,
        folder: str,
        name: str,
        *,
        kind: int,
        key: DataKey,
        compressor: zstandard.ZstdCompressor,
    ) -> None:
        self.name = name
        self.size = 0
        self._encoder = FrameEncoder(key, folder + name, kind, compressor)
        self._digest = hashlib.sha256()
        self._out = backend.create(folder + name)
        try:
            self._write(self._encoder.header)
        except BaseException:
            self._out.abort()
            raise

    def append(self, data: bytes | bytearray | memoryview) -> Place:
        """Store `data` (not empty) as the next frame."""
        index, offset = self._encoder.frames, self.size
        head, sealed = self._encoder.encode(data)
        self._write(head)
        self._write(sealed)
        return Place(index, offset, len(head) + len(sealed))

    def finish(self) -> None:
        """Write the end frame; nothing can be appended any more."""
        self._write(self._encoder.end())

    def commit(self) -> StoredObject:
        """Make it durable. May be called from another thread than the writing one."""
        self._out.commit()
        return StoredObject(self.name, self.size, self._digest.hexdigest())

    def abort(self) -> None:
        self._out.abort()

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self.size += len(data)


def worst_frame(plain: int) -> int:
    """The most that a frame of `plain` bytes can take, with an end frame after it (zstd's own bound)."""
    return plain + (plain >> 8) + 512 + 2 * (FRAME.size + TAG)
