"""The one small interface every place that keeps bytes implements, and every wrapper wraps."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from dataprotect.core.errors import ForeseenError


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """name relative to the repository's root, `/`-separated; size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class BackendCapabilities:
    """Declared, never guessed. `conditional_put`: create refuses an existing name atomically."""

    conditional_put: bool
    free_space: bool


class ObjectExists(ForeseenError):
    def __init__(self, name: str) -> None:
        super().__init__(
            "storage.object_exists", f"The object {name} already exists.", "Nothing was written."
        )


class ObjectMissing(ForeseenError):
    def __init__(self, name: str) -> None:
        super().__init__("storage.object_missing", f"The object {name} is missing.", "Verify the repository.")


class StorageFull(ForeseenError):
    def __init__(self, where: str) -> None:
        super().__init__(
            "storage.full",
            f"There is no space left in {where}.",
            "Free space or expire backups, then run it again; nothing half-written was kept as a backup.",
        )


class ObjectWriter(Protocol):
    """A new object, invisible until `commit`. Exactly one of commit and abort ends it."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def commit(self) -> None:
        """Make it durable and visible at once. Raises ObjectExists when the name was taken meanwhile."""

    def abort(self) -> None:
        """Leave no trace. Safe to call after a failed write or commit."""


class Backend(Protocol):
    """Objects never change once committed. Names match `[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*`, no `..`."""

    @property
    def url(self) -> str: ...

    @property
    def capabilities(self) -> BackendCapabilities: ...

    def create(self, name: str) -> ObjectWriter:
        """A streamed new object. Raises StorageFull, ObjectExists."""

    def put(self, name: str, data: bytes) -> None:
        """A small new object in one go; the conditional put. Raises ObjectExists, StorageFull."""

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `offset` (None: to the end; fewer only at the end). Raises ObjectMissing."""

    def stream(self, name: str, block: int = 1 << 20) -> Iterator[bytes]:
        """The whole object in blocks. Raises ObjectMissing."""

    def stat(self, name: str) -> ObjectInfo:
        """Raises ObjectMissing."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every committed object whose name starts with `prefix`, in name order."""

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the folders right below `prefix` (empty, or ending with a slash), in order, each ending
        with a slash; only folders that hold objects."""

    def delete(self, name: str) -> None:
        """Deleting what is not there is not an error (it may be a repeated call)."""

    def free_bytes(self) -> int | None:
        """Bytes that can still be written; None where the place does not say."""

    def sweep_temporary(self) -> builtins.list[str]:
        """Remove what dead writers left unfinished, never a living one's; returns what was removed."""
