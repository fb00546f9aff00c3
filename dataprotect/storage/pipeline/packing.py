"""One worker thread's open pack: frames of one block, and frames that many blocks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import zstandard

from dataprotect.core import steps
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.model import CHUNK
from dataprotect.storage.pipeline.frames import PACK
from dataprotect.storage.pipeline.objects import FramedObject, worst_frame
from dataprotect.storage.pipeline.spool import BlockRow

HASHES = 64 << 10
"""Bytes of page hashes in one frame: those of 64 blocks. Whoever wants one block's reads little more."""

Part = str | tuple[int, int]
"""A piece that is known (JSON), or `(at, length)` in the shared frame that is still open."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a backup's objects go, and under which key. `folder` ends with a slash."""

    backend: Backend
    folder: str
    key: DataKey


@dataclass(frozen=True, slots=True)
class PackDoors:
    """What the threads of one pipeline share about packs: their numbers, and where full ones go."""

    next_number: Callable[[], int]
    full: Callable[[FramedObject], None]


@dataclass(slots=True)
class PendingBlock:
    """A block whose pieces or page hashes lie in a frame that is not written yet."""

    number: int
    position: int
    digest: bytes
    parts: list[Part] = field(default_factory=list)
    pages: str = ""
    missing: int = 0

    def pieces(self, place: str) -> None:
        """The shared frame lies at `place` (source to plain length, JSON without brackets)."""
        self.parts = [
            part if isinstance(part, str) else f"[{place},{part[0]},{part[1]}]" for part in self.parts
        ]

    def row(self) -> BlockRow:
        return self.number, self.position, self.digest, f"[{','.join(map(str, self.parts))}]", self.pages


class SharedFrame:
    """Bytes gathered for one frame; who put some there is told where the frame came to lie."""

    def __init__(self, size: int) -> None:
        self._buffer = memoryview(bytearray(size))
        self._used = 0
        self._waiting: list[Callable[[str], None]] = []

    def fits(self, length: int) -> bool:
        return self._used + length <= len(self._buffer)

    def add(self, data: memoryview | bytes) -> int:
        """Where in the frame `data` begins."""
        at = self._used
        self._used += len(data)
        self._buffer[at : self._used] = data
        return at

    def wait(self, told: Callable[[str], None]) -> None:
        self._waiting.append(told)

    def take(self) -> tuple[memoryview, list[Callable[[str], None]]]:
        """What was gathered, and who waits for its place; from here on the frame is empty."""
        found = self._buffer[: self._used], self._waiting
        self._used, self._waiting = 0, []
        return found


class Packing:
    """Belongs to one thread. Rows of finished blocks go to `done`."""

    def __init__(
        self, to: Destination, pack_bytes: int, compressor: zstandard.ZstdCompressor, doors: PackDoors,
        done: Callable[[BlockRow], None],
    ) -> None:  # fmt: skip
        self._to, self._pack_bytes, self._compressor, self._doors = to, pack_bytes, compressor, doors
        self._done = done
        self._pack: FramedObject | None = None
        self._number = 0
        self._data = SharedFrame(CHUNK)
        self._hashes = SharedFrame(HASHES)

    def own(self, data: memoryview) -> str:
        """Store `data` as a frame: its place (source to plain length, JSON without brackets)."""
        pack = self._room_for(len(data))
        frame, offset, stored = pack.append(data)
        return f"0,{self._number},{frame},{offset},{stored},{len(data)}"

    def share(self, block: PendingBlock, data: memoryview, changed: list[tuple[int, int]]) -> list[Part]:
        """Gather parts (start, end) of `data`; `block` then waits for their frame. Where they will lie."""
        total = sum(end - start for start, end in changed)
        if not self._data.fits(total):
            self._flush(self._data)
        places: list[Part] = [(self._data.add(data[start:end]), end - start) for start, end in changed]
        block.missing += 1
        self._data.wait(lambda place: self._placed(block, place))
        return places

    def share_hashes(self, block: PendingBlock, hashes: bytes) -> None:
        """Gather the page hashes of `block`, which then waits for their frame."""
        if not self._hashes.fits(len(hashes)):
            self._flush(self._hashes)
        at = self._hashes.add(hashes)
        block.missing += 1
        self._hashes.wait(lambda place: self._hashed(block, f"[{place},{at},{len(hashes)}]"))

    def finish(self) -> None:
        """Write what was gathered and close the pack."""
        self._flush(self._data)
        self._flush(self._hashes)
        self._close()

    def abort(self) -> None:
        if self._pack is not None:
            self._pack.abort()
            self._pack = None

    def _placed(self, block: PendingBlock, place: str) -> None:
        block.pieces(place)
        self._one_less(block)

    def _hashed(self, block: PendingBlock, pages: str) -> None:
        block.pages = pages
        self._one_less(block)

    def _one_less(self, block: PendingBlock) -> None:
        block.missing -= 1
        if not block.missing:
            self._done(block.row())

    def _flush(self, shared: SharedFrame) -> None:
        data, waiting = shared.take()
        if data:
            place = self.own(data)
            for told in waiting:
                told(place)

    def _room_for(self, plain: int) -> FramedObject:
        """The open pack, or a new one when the frame might make it too large."""
        if self._pack is not None and self._pack.size + worst_frame(plain) > self._pack_bytes:
            self._close()
        if self._pack is None:
            self._number = self._doors.next_number()
            to = self._to
            self._pack = FramedObject(
                to.backend, to.folder, names.pack(self._number), kind=PACK, key=to.key,
                compressor=self._compressor,
            )  # fmt: skip
            steps.reached("storage.pack.after_create")
        return self._pack

    def _close(self) -> None:
        if self._pack is not None:
            self._pack.finish()
            pack, self._pack = self._pack, None
            self._doors.full(pack)
