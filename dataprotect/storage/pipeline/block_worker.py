"""What one worker thread does with a task: read, hash, compare with the base, store what is new."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from xxhash import xxh3_128_digest

from dataprotect.core.progress import Reporter
from dataprotect.storage.model import (
    BLOCK,
    CHUNK,
    PAGE,
    PAGED_BLOCKS,
    ChunkTask,
    Pages,
    PageTask,
    Piece,
    Task,
)
from dataprotect.storage.pipeline.comparing import (
    OldBlock,
    OldPieces,
    changed_pages,
    page_hashes,
    runs,
)
from dataprotect.storage.pipeline.frames import compressor
from dataprotect.storage.pipeline.packing import Destination, PackDoors, Packing, Part, PendingBlock
from dataprotect.storage.pipeline.spool import BlockRow, Spool

_ROWS = 256


class OldBlocks(Protocol):
    """What the backup that this one builds on has. Thread-safe; raises DamagedObject."""

    def block(self, number: int, offset: int) -> OldBlock | None:
        """The base's block at `offset` of the file that is `number` in this backup; None without one."""

    def hashes(self, block: OldBlock) -> bytes:
        """The hashes of the block's pages; b'' when the base kept none."""


class _Compared(NamedTuple):
    """A block and what differs in it from `old`, the base's (None without one): `hashes` of its pages, b''
    when they are the base's or not known yet, and the pages to be stored."""

    piece: Piece
    data: memoryview
    old: OldBlock | None
    digest: bytes
    hashes: bytes
    changed: Pages


class BlockWorker:
    """One thread's reused buffer and its packing. `old` is None for a backup that builds on none."""

    def __init__(
        self, to: Destination, pack_bytes: int, level: int, doors: PackDoors, spool: Spool,
        reporter: Reporter, old: OldBlocks | None,
    ) -> None:  # fmt: skip
        self._buffer = memoryview(bytearray(CHUNK if old is None else PAGED_BLOCKS * BLOCK))
        self._packing = Packing(to, pack_bytes, compressor(level), doors, self._row)
        self._spool, self._reporter, self._old = spool, reporter, old
        self._rows: list[BlockRow] = []

    def handle(self, task: Task) -> None:
        if isinstance(task, PageTask):
            self._page_task(task)
        else:
            self._chunk_task(task)

    def finish(self) -> None:
        self._packing.finish()
        self._flush()

    def abort(self) -> None:
        self._packing.abort()

    def _chunk_task(self, task: ChunkTask) -> None:
        """Pieces that are whole as in the base are referred to, the others stored."""
        total = sum([piece.length for piece in task.pieces])
        data = self._read(task.read, total)
        fresh: list[tuple[Piece, int, bytes]] = []
        at = 0
        for piece in task.pieces:
            digest = xxh3_128_digest(data[at : at + piece.length])
            old = self._old_block(piece)
            if old is not None and _equal(old, digest, piece.length):
                self._refer(piece, old)
            else:
                fresh.append((piece, at, digest))
            at += piece.length
        if len(fresh) == len(task.pieces):
            place = self._packing.own(data)
            for piece, at, digest in fresh:
                self._row((*_where(piece), digest, f"[[{place},{at},{piece.length}]]", ""))
        else:
            for piece, at, digest in fresh:
                block = PendingBlock(*_where(piece), digest)
                block.parts = self._packing.share(block, data, [(at, at + piece.length)])
        self._reporter.advance(total)

    def _page_task(self, task: PageTask) -> None:
        data = self._read(task.read, sum([piece.length for piece in task.pieces]))
        compared = self._compare(task, data)
        known = any(each.old is not None for each in compared)
        if task.examine(data, np.concatenate([each.changed for each in compared]) if known else None):
            compared = self._compare(task, data)
        for each in compared:
            if each.old is None or each.changed.all():
                self._store_whole(each.piece, each.data, each.digest, each.hashes)
            elif each.changed.any():
                self._store_changes(each, each.old)
            else:
                self._refer(each.piece, each.old)
        self._reporter.advance(len(data))

    def _compare(self, task: PageTask, data: memoryview) -> list[_Compared]:
        found, at = [], 0
        for piece in task.pieces:
            found.append(self._compare_block(task, piece, data[at : at + piece.length]))
            at += piece.length
        return found

    def _compare_block(self, task: PageTask, piece: Piece, data: memoryview) -> _Compared:
        old, digest = self._old_block(piece), xxh3_128_digest(data)
        if self._old is None or old is None or not old.pages:
            everything = np.ones(-(-len(data) // PAGE), dtype=bool)
            return _Compared(piece, data, None, digest, b"", everything)
        newer = task.newer(data)
        if _equal(old, digest, len(data)):
            return _Compared(piece, data, old, digest, b"", newer)
        hashes = page_hashes(data)
        changed = newer | changed_pages(hashes, self._old.hashes(old), len(data), old.length)
        return _Compared(piece, data, old, digest, hashes, changed)

    def _store_whole(self, piece: Piece, data: memoryview, digest: bytes, hashes: bytes) -> None:
        block = PendingBlock(*_where(piece), digest)
        place = self._packing.own(data)
        block.parts = [f"[{place},0,{len(data)}]"]
        self._packing.share_hashes(block, hashes or page_hashes(data))

    def _store_changes(self, compared: _Compared, old: OldBlock) -> None:
        """Changed pages go into a frame that many blocks share; the others stay where the base has them."""
        data = compared.data
        block = PendingBlock(*_where(compared.piece), compared.digest, pages=old.pages)
        found = list(runs(compared.changed, len(data)))
        places = iter(
            self._packing.share(block, data, [(run.start, run.end) for run in found if run.changed])
        )
        kept = OldPieces(old.pieces)
        parts: list[Part] = []
        for run in found:
            if run.changed:
                parts.append(next(places))
            else:
                parts += kept.part(run.start, run.end)
        block.parts = parts
        if compared.hashes:
            self._packing.share_hashes(block, compared.hashes)

    def _refer(self, piece: Piece, old: OldBlock) -> None:
        self._row((*_where(piece), old.digest, f"[{old.pieces}]", old.pages))

    def _old_block(self, piece: Piece) -> OldBlock | None:
        return self._old.block(piece.number, piece.offset) if self._old is not None else None

    def _read(self, read: Callable[[memoryview], memoryview | None], total: int) -> memoryview:
        buffer = self._buffer[:total]
        data = read(buffer)
        if data is None:
            return buffer
        if data.nbytes != total:
            raise ValueError(f"a task promised {total} bytes and read {data.nbytes}")
        return data.cast("B") if data.format != "B" else data

    def _row(self, row: BlockRow) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._spool.add_blocks(self._rows)
            self._rows = []


def _where(piece: Piece) -> tuple[int, int]:
    return piece.number, piece.offset // BLOCK


def _equal(old: OldBlock, digest: bytes, length: int) -> bool:
    return old.digest == digest and old.length == length
