"""Log objects as frames: a header frame in JSON, then the plain bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator

import zstandard

from dataprotect.core import steps
from dataprotect.storage.backends.base import Backend
from dataprotect.storage.documents import DamagedObject, canonical
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.logs.model import LogHeader, ReadPlain
from dataprotect.storage.model import CHUNK
from dataprotect.storage.pipeline.frames import END, FRAME, HEADER, LOG, TAG, FrameDecoder, compressor
from dataprotect.storage.pipeline.objects import FramedObject

_LARGEST = 4 << 20


def digest(read: ReadPlain, length: int) -> str:
    """SHA-256 of what is about to be shipped."""
    found = hashlib.sha256()
    for offset in range(0, length, CHUNK):
        found.update(read(offset, min(CHUNK, length - offset)))
    return found.hexdigest()


def write(
    backend: Backend, folder: str, name: str, key: DataKey, level: int, header: LogHeader, read: ReadPlain,
    length: int,
) -> int:  # fmt: skip
    """A new object, durable on return; its stored size. Raises ObjectExists, StorageFull."""
    out = FramedObject(backend, folder, name, kind=LOG, key=key, compressor=compressor(level))
    try:
        out.append(canonical(header.plain()))
        for offset in range(0, length, CHUNK):
            out.append(read(offset, min(CHUNK, length - offset)))
        out.finish()
        steps.reached("storage.log.before_commit")
        return out.commit().size
    except BaseException:
        out.abort()
        raise


def read_header(backend: Backend, name: str, key: DataKey) -> LogHeader:
    """The header alone, by two small reads. Raises DamagedObject, ObjectMissing."""
    first = backend.read(name, 0, HEADER.size + FRAME.size + 4096)
    length, _, _ = _frame_header(name, first[HEADER.size :])
    end = HEADER.size + FRAME.size + length
    if len(first) < end:
        first = backend.read(name, 0, end)
    decoder = FrameDecoder.open(key, name, LOG, first[: HEADER.size])
    return _header(name, _decode(decoder, 0, memoryview(first)[HEADER.size : end]))


def read_all(backend: Backend, name: str, key: DataKey, take: Callable[[bytes], object]) -> LogHeader:
    """Hand over the plain bytes in order; everything is authenticated, and the SHA-256 compared at the end.

    Raises DamagedObject; then nothing of what was taken may be used.
    """
    frames = _frames(backend, name, key)
    header = _header(name, next(frames, b""))
    found = hashlib.sha256()
    for plain in frames:
        found.update(plain)
        take(plain)
    if found.hexdigest() != header.sha256:
        raise DamagedObject(name, "its SHA-256 does not match")
    return header


def _frames(backend: Backend, name: str, key: DataKey) -> Iterator[bytes]:
    """Every data frame, up to a genuine end frame and the object's end."""
    source = _Source(name, backend.stream(name))
    decoder = FrameDecoder.open(key, name, LOG, source.take(HEADER.size))
    index = 0
    while True:
        head = source.take(FRAME.size)
        length, plain, flags = _frame_header(name, head)
        body = source.take(length)
        if flags == END:
            break
        yield _decode(decoder, index, memoryview(head + body))
        index += 1
    if plain or decoder.open_body(index, memoryview(body), 0, END) or not source.at_end():
        raise DamagedObject(name, "bytes follow after its end")


def _frame_header(name: str, data: bytes) -> tuple[int, int, int]:
    if len(data) < FRAME.size:
        raise DamagedObject(name, "it ends too early")
    length, plain, flags = FRAME.unpack_from(data)
    if not TAG <= length <= _LARGEST or plain > _LARGEST or flags > END:
        raise DamagedObject(name, "a frame has an impossible header")
    return length, plain, flags


def _decode(decoder: FrameDecoder, index: int, frame: memoryview) -> bytes:
    if len(frame) < FRAME.size:
        raise DamagedObject(decoder.name, "it ends too early")
    plain = FRAME.unpack_from(frame)[1]
    return decoder.decode(index, frame, plain, zstandard.ZstdDecompressor())


def _header(name: str, data: bytes) -> LogHeader:
    try:
        return LogHeader.of(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedObject(name, "its header frame cannot be understood") from error


class _Source:
    """Exact amounts from blocks of any size."""

    def __init__(self, name: str, blocks: Iterator[bytes]) -> None:
        self._name, self._blocks, self._rest = name, blocks, b""

    def take(self, length: int) -> bytes:
        while len(self._rest) < length:
            block = next(self._blocks, b"")
            if not block:
                raise DamagedObject(self._name, "it ends too early")
            self._rest += block
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    def at_end(self) -> bool:
        return not self._rest and not next(self._blocks, b"")
