"""Counting what goes through a backend, for metrics and for measured rates."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dataprotect.storage.backends.base import Backend, BackendCapabilities, ObjectInfo, ObjectWriter

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Count:
    """operations (failed ones included), failures, bytes moved, seconds spent inside the backend."""

    operations: int = 0
    failures: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Meter:
    """Counts by kind: create, write, commit, put, read, stream, stat, list, delete. Thread-safe."""

    _counts: dict[str, Count] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, *, bytes: int = 0, seconds: float = 0.0, failed: bool = False) -> None:
        with self._lock:
            old = self._counts.get(kind, Count())
            self._counts[kind] = Count(
                old.operations + 1, old.failures + failed, old.bytes + bytes, old.seconds + seconds
            )

    def snapshot(self) -> dict[str, Count]:
        """The counts so far, by kind."""
        with self._lock:
            return {kind: replace(count) for kind, count in self._counts.items()}

    def timed(self, kind: str, call: Callable[[], Answer], size: Callable[[Answer], int]) -> Answer:
        """Run `call` and count it with the size of its answer."""
        start = time.perf_counter()
        try:
            answer = call()
        except BaseException:
            self.add(kind, seconds=time.perf_counter() - start, failed=True)
            raise
        self.add(kind, bytes=size(answer), seconds=time.perf_counter() - start)
        return answer


class MeteredBackend:
    """Counts every call into `meter`; changes nothing."""

    def __init__(self, inner: Backend, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    @property
    def url(self) -> str:
        return self._inner.url

    @property
    def capabilities(self) -> BackendCapabilities:
        return self._inner.capabilities

    def create(self, name: str) -> ObjectWriter:
        writer = self._meter.timed("create", lambda: self._inner.create(name), _nothing)
        return _MeteredWriter(writer, self._meter)

    def put(self, name: str, data: bytes) -> None:
        self._meter.timed("put", lambda: self._inner.put(name, data), lambda _: len(data))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._meter.timed("read", lambda: self._inner.read(name, offset, length), len)

    def stream(self, name: str, block: int = 1 << 20) -> Iterator[bytes]:
        blocks = self._inner.stream(name, block)
        while data := self._meter.timed("stream", lambda: next(blocks, b""), len):
            yield data

    def stat(self, name: str) -> ObjectInfo:
        return self._meter.timed("stat", lambda: self._inner.stat(name), _nothing)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._meter.add("list")
        return self._inner.list(prefix)

    def folders(self, prefix: str = "") -> Iterator[str]:
        self._meter.add("list")
        return self._inner.folders(prefix)

    def delete(self, name: str) -> None:
        self._meter.timed("delete", lambda: self._inner.delete(name), _nothing)

    def free_bytes(self) -> int | None:
        return self._inner.free_bytes()

    def sweep_temporary(self) -> builtins.list[str]:
        return self._inner.sweep_temporary()


class _MeteredWriter:
    def __init__(self, inner: ObjectWriter, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._meter.timed("write", lambda: self._inner.write(data), lambda _: len(data))

    def commit(self) -> None:
        self._meter.timed("commit", self._inner.commit, _nothing)

    def abort(self) -> None:
        self._inner.abort()


def _nothing(_: object) -> int:
    return 0
