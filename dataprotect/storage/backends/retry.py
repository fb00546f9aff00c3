"""Trying again where trying again helps: transient failures, with back-off and jitter."""

from __future__ import annotations

import builtins
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import (
    Backend,
    BackendCapabilities,
    ObjectExists,
    ObjectInfo,
    ObjectWriter,
)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits are seconds: `first`, doubled up to `longest`, each shortened by up to half at random."""

    attempts: int = 5
    first: float = 0.2
    longest: float = 10.0

    def wait(self, attempt: int) -> float:
        """How long to wait after the failed `attempt` (from 1)."""
        full: float = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  jitter keeps no secret


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later. A full disk, a missing object or a refusal never is."""
    if isinstance(error, ForeseenError):
        return error.retry
    return isinstance(error, (ConnectionError, TimeoutError, InterruptedError))


class RetryingBackend:
    """Repeats whole calls. The writes of a streamed new object are not repeated: their bytes are gone."""

    def __init__(
        self, inner: Backend, policy: RetryPolicy | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._inner, self._policy, self._sleep = inner, policy or RetryPolicy(), sleep

    @property
    def url(self) -> str:
        return self._inner.url

    @property
    def capabilities(self) -> BackendCapabilities:
        return self._inner.capabilities

    def create(self, name: str) -> ObjectWriter:
        return self._repeat(lambda: self._inner.create(name))

    def put(self, name: str, data: bytes) -> None:
        """An attempt that failed may yet have stored the object; the next then finds its own bytes there."""
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self._inner.put(name, data)
            except ObjectExists:
                if attempts == 1 or self._inner.read(name) != data:
                    raise

        self._repeat(attempt)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._repeat(lambda: self._inner.read(name, offset, length))

    def stream(self, name: str, block: int = 1 << 20) -> Iterator[bytes]:
        """After a failure it goes on with ranged reads from where it was."""
        done = 0
        try:
            for data in self._inner.stream(name, block):
                done += len(data)
                yield data
            return
        except Exception as error:
            if not is_transient(error):
                raise
        while data := self.read(name, done, block):
            done += len(data)
            yield data

    def stat(self, name: str) -> ObjectInfo:
        return self._repeat(lambda: self._inner.stat(name))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """After a failure the listing starts anew and skips what was given already."""
        yield from self._resumed(lambda: self._inner.list(prefix), lambda item: item.name)

    def folders(self, prefix: str = "") -> Iterator[str]:
        yield from self._resumed(lambda: self._inner.folders(prefix), str)

    def delete(self, name: str) -> None:
        self._repeat(lambda: self._inner.delete(name))

    def free_bytes(self) -> int | None:
        return self._repeat(self._inner.free_bytes)

    def sweep_temporary(self) -> builtins.list[str]:
        return self._repeat(self._inner.sweep_temporary)

    def _resumed(
        self, start: Callable[[], Iterator[Answer]], key: Callable[[Answer], str]
    ) -> Iterator[Answer]:
        """Items come in the order of their keys, so the last key says where to go on."""
        last, attempt = "", 1
        while True:
            try:
                for item in start():
                    if key(item) > last:
                        last, attempt = key(item), 1
                        yield item
                return
            except Exception as error:  # noqa: BLE001  raised again unless it is transient
                self._wait_or_raise(error, attempt)
                attempt += 1

    def _repeat(self, call: Callable[[], Answer]) -> Answer:
        attempt = 1
        while True:
            try:
                return call()
            except Exception as error:  # noqa: BLE001  raised again unless it is transient
                self._wait_or_raise(error, attempt)
                attempt += 1

    def _wait_or_raise(self, error: Exception, attempt: int) -> None:
        """Wait before the next attempt; raise `error` when another makes no sense."""
        if not is_transient(error) or attempt >= self._policy.attempts:
            raise error
        self._sleep(self._policy.wait(attempt))
