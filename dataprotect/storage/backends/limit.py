"""Keeping a backup from taking all of a line or a disk: bandwidth and concurrency."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Callable, Iterator

from dataprotect.storage.backends.base import Backend, BackendCapabilities, ObjectInfo, ObjectWriter

_SLICE = 256 << 10


class TokenBucket:
    """At most `rate` bytes per second over time, with bursts of up to `burst` bytes. Thread-safe."""

    def __init__(
        self,
        rate: float,
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if rate <= 0:
            raise ValueError("a bandwidth limit is more than zero bytes per second")
        self._rate, self._burst = rate, burst if burst is not None else rate / 4
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._tokens, self._then = self._burst, clock()

    def take(self, amount: int) -> None:
        """Wait until `amount` bytes may pass. Debts are allowed: the next one then waits for longer."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
            self._then = now
            self._tokens -= amount
            debt = -self._tokens / self._rate
        if debt > 0:
            self._sleep(debt)


class LimitedBackend:
    """`rate`: bytes per second in both directions together (None: no limit); `concurrency`: calls at once."""

    def __init__(self, inner: Backend, bucket: TokenBucket | None = None, concurrency: int = 64) -> None:
        self._inner, self._bucket = inner, bucket
        self._slots = threading.BoundedSemaphore(concurrency)

    @property
    def url(self) -> str:
        return self._inner.url

    @property
    def capabilities(self) -> BackendCapabilities:
        return self._inner.capabilities

    def create(self, name: str) -> ObjectWriter:
        with self._slots:
            return _LimitedWriter(self._inner.create(name), self._slots, self._pass)

    def put(self, name: str, data: bytes) -> None:
        self._pass(len(data))
        with self._slots:
            self._inner.put(name, data)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._slots:
            data = self._inner.read(name, offset, length)
        self._pass(len(data))
        return data

    def stream(self, name: str, block: int = 1 << 20) -> Iterator[bytes]:
        # No slot is held between two blocks: a consumer that pauses must not block the others.
        for data in self._inner.stream(name, block):
            self._pass(len(data))
            yield data

    def stat(self, name: str) -> ObjectInfo:
        with self._slots:
            return self._inner.stat(name)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def folders(self, prefix: str = "") -> Iterator[str]:
        return self._inner.folders(prefix)

    def delete(self, name: str) -> None:
        with self._slots:
            self._inner.delete(name)

    def free_bytes(self) -> int | None:
        return self._inner.free_bytes()

    def sweep_temporary(self) -> builtins.list[str]:
        return self._inner.sweep_temporary()

    def _pass(self, amount: int) -> None:
        if self._bucket is not None:
            self._bucket.take(amount)


class _LimitedWriter:
    def __init__(
        self, inner: ObjectWriter, slots: threading.BoundedSemaphore, let_pass: Callable[[int], None]
    ) -> None:
        self._inner, self._slots, self._pass = inner, slots, let_pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """In slices, so that a large write is spread over its time instead of bursting."""
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            part = view[start : start + _SLICE]
            self._pass(len(part))
            with self._slots:
                self._inner.write(part)

    def commit(self) -> None:
        with self._slots:
            self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()
