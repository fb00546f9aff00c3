"""A backend that fails as dictated: 500s, cut answers, wrong lengths, hangs, a full disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import ObjectInfo, ObjectWriter, StorageFull
from dataprotect.storage.backends.local import LocalBackend

Fault = Callable[[Callable[[], Any]], Any]
"""Gets the real call and does with it what it likes."""


def server_error(call: Callable[[], Any]) -> Any:
    """A 500 before anything happened."""
    raise ForeseenError("storage.unavailable", "The storage answered 500.", "Wait.", retry=True)


def lost_answer(call: Callable[[], Any]) -> Any:
    """The work is done, but its answer never arrives."""
    call()
    raise ConnectionResetError("connection reset by peer")


def cut_short(call: Callable[[], Any]) -> Any:
    """Half of the bytes, as if they were all."""
    data = call()
    return data[: len(data) // 2]


def too_long(call: Callable[[], Any]) -> Any:
    return call() + b"surplus"


def disk_full(call: Callable[[], Any]) -> Any:
    raise StorageFull("the hostile storage")


class Hang:
    """Waits until it is released."""

    def __init__(self) -> None:
        self.reached, self.released = threading.Event(), threading.Event()

    def __call__(self, call: Callable[[], Any]) -> Any:
        self.reached.set()
        assert self.released.wait(60)
        return call()


class HostileBackend(LocalBackend):
    """`script[kind]` is a list of faults for the next calls of that kind (None: behave)."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.script: dict[str, list[Fault | None]] = {}
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def create(self, name: str) -> ObjectWriter:  # type: ignore[override]
        writer = self._act("create", name, lambda: LocalBackend.create(self, name))
        return _HostileWriter(writer, self, name)

    def put(self, name: str, data: bytes) -> None:
        self._act("put", name, lambda: self._real_put(name, data))

    def _real_put(self, name: str, data: bytes) -> None:
        LocalBackend(self.root).put(name, data)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._act("read", name, lambda: LocalBackend.read(self, name, offset, length))

    def stream(self, name: str, block: int = 1 << 20) -> Iterator[bytes]:
        for data in LocalBackend.stream(self, name, block):
            yield self._act("stream", name, lambda data=data: data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for item in LocalBackend.list(self, prefix):
            yield self._act("list", prefix, lambda item=item: item)

    def delete(self, name: str) -> None:
        self._act("delete", name, lambda: LocalBackend.delete(self, name))

    def _act(self, kind: str, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self.calls.append((kind, name))
            faults = self.script.get(kind, [])
            fault = faults.pop(0) if faults else None
        return fault(call) if fault else call()


class _HostileWriter:
    def __init__(self, inner: ObjectWriter, backend: HostileBackend, name: str) -> None:
        self._inner, self._backend, self._name = inner, backend, name

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._backend._act("write", self._name, lambda: self._inner.write(data))

    def commit(self) -> None:
        self._backend._act("commit", self._name, self._inner.commit)

    def abort(self) -> None:
        self._inner.abort()
