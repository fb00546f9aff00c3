"""The shapes that go into and come out of a backup. Sizes and offsets are bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 20
"""A block is a BLOCK-aligned range of a file; it carries one XXH3-128 digest."""

CHUNK = 1 << 20
"""The most that one chunk task carries, and so the most that one frame holds decoded."""

PAGED_BLOCKS = 4
"""The most blocks that one page task carries when the backup builds on another: the few changed pages of each
are looked at together, which costs little more than looking at one. Else it carries one."""

PAGE = 8192
"""Blocks of paged files are compared PAGE by PAGE with the backup that the new one builds on."""

Pages = npt.NDArray[np.bool_]
"""One value for each page of a block; the last page may be shorter than PAGE."""

EntryKind = Literal["file", "directory", "symlink"]
BackupKind = Literal["full", "differential", "incremental"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to be stored. `path` is relative, `/`-separated; bytes that are no UTF-8 as in `os.fsdecode`.

    `mode` are permission bits, `mtime` seconds since 1970, `link` the target of a symlink.
    """

    path: str
    kind: EntryKind = "file"
    mode: int = 0o600
    mtime: float = 0.0
    size: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """An entry as the manifest holds it; `digest` is the whole-file digest in hex, empty unless a file."""

    path: str
    kind: EntryKind
    mode: int
    mtime: float
    size: int
    link: str
    digest: str


class Piece(NamedTuple):
    """A block of the file `number` that a chunk task carries: `offset` is a multiple of BLOCK."""

    number: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """Work for one writer thread: the pieces, one after the other, are what `read` delivers.

    `read(buffer)` runs in the writer's thread. `buffer` has exactly the sum of the pieces; it fills all of
    it and returns None, or returns a view of the same length on data of its own, valid until the next call.
    """

    pieces: Sequence[Piece]
    read: Callable[[memoryview], memoryview | None]


@dataclass(frozen=True, slots=True)
class PageTask:
    """Work for one writer thread: neighbouring blocks of a file whose pages change one by one.

    `read` is that of a ChunkTask. `examine(data, pages)` comes once after it, unless something failed: it
    looks at those pages (None: at all of them) and returns True when it put `data` right. `newer(data)` says
    which pages of a block are to be stored even where they equal those of the base.
    """

    pieces: Sequence[Piece]
    read: Callable[[memoryview], memoryview | None]
    examine: Callable[[memoryview, Pages | None], bool]
    newer: Callable[[memoryview], Pages]


Task = ChunkTask | PageTask


class Located(NamedTuple):
    """Where a part of a block lies. `source` counts the manifest's sources (0: this backup itself),
    `pack` and `frame` count from 1 and 0, `offset` and `stored` are the frame's place in its pack,
    `plain` its decoded length, `at` and `length` the part of the decoded frame that is meant."""

    source: int
    pack: int
    frame: int
    offset: int
    stored: int
    plain: int
    at: int
    length: int


class Block(NamedTuple):
    """XXH3-128 of the block (16 bytes) and its pieces in order: together they are the whole block.

    A piece has the fields of Located, as a plain list: a block that changed a little in many backups has as
    many pieces as pages, and making something of each of them would cost more than decoding the block.
    `pages` is where the XXH3-64 of each of its pages lie, one after the other; None for a block without."""

    digest: bytes
    pieces: list[list[int]]
    pages: Located | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a stored object; `object_name` is relative to the repository."""

    object_name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.object_name}: {self.problem}"


class Sink(Protocol):
    """Takes a restored tree. `begin` comes in manifest order from one thread; `write` from many threads at
    once, in any order, each byte exactly once; `end` after the last write of a file, from any thread."""

    def begin(self, entry: FileEntry, number: int) -> None: ...

    def write(self, number: int, offset: int, data: memoryview) -> None: ...

    def end(self, number: int) -> None: ...
