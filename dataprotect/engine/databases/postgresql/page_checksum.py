"""PostgreSQL's page checksum (15-17), for many pages at once.

The algorithm is that of `storage/checksum_impl.h`: 32 interleaved FNV-1a sums over the page as a 64 x 32
matrix of 32-bit words, two closing rounds of zeros, folded by xor, mixed with the block number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAGE_SIZE = 8192
_ROWS, _LANES = 64, 32
_PRIME = np.array(16777619, dtype=np.uint32)  # as arrays: numpy spends longer on taking scalars in
_SHIFT = np.array(17, dtype=np.uint32)
_TOGETHER = 16
"""Rows of a page gathered at once."""
_ROW = np.dtype((np.void, 4 * _LANES))
_NO_CHECKSUM_FIELD = np.uint32(0xFFFF0000)

# checksumBaseOffsets of checksum_impl.h: part of the on-disk format.
_BASE = np.array(
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ],
    dtype=np.uint32,
)  # fmt: skip

Words = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Blocks = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Pages (by index within the data) whose checksum is wrong, and the LSN each claims."""

    index: int
    lsn: int


def _rounds(pages: Words) -> Words:
    """The 32 sums of every page. Everything is done to one row of all pages at once, in place and on memory
    that lies together: with a row of 16 KiB and a few scratch arrays nothing leaves the processor's caches.
    """
    sums = np.empty((len(pages), _LANES), dtype=np.uint32)
    sums[:] = _BASE
    flat, shifted = sums.reshape(-1), np.empty(sums.size, dtype=np.uint32)
    rows = np.empty((_TOGETHER, sums.size), dtype=np.uint32)
    source, gathered = pages.view(_ROW)[:, :, 0], rows.view(_ROW)
    for first in range(0, _ROWS, _TOGETHER):
        np.copyto(gathered, source[:, first : first + _TOGETHER].T)
        if first == 0:
            rows[0].reshape(sums.shape)[:, 2] &= _NO_CHECKSUM_FIELD  # pd_checksum counts as zero
        for row in rows:
            np.bitwise_xor(flat, row, flat)
            _round(flat, shifted)
    _round(flat, shifted)
    _round(flat, shifted)
    return sums


def _round(sums: Words, shifted: Words) -> None:
    np.right_shift(sums, _SHIFT, shifted)
    np.multiply(sums, _PRIME, sums)
    np.bitwise_xor(sums, shifted, sums)


def checksums(data: memoryview | bytes | bytearray, first_block: int) -> npt.NDArray[np.uint16]:
    """The checksum every whole page of `data` should carry; `first_block` is the number of its first page."""
    pages = _as_pages(data)
    return _expected(pages, block_numbers(first_block, len(data)))


def block_numbers(first: int, length: int) -> Blocks:
    """Of the whole pages in `length` bytes, the first of which is the block `first` of its relation."""
    return np.arange(first, first + length // PAGE_SIZE, dtype=np.uint64)


def wrong_pages(
    data: memoryview | bytes | bytearray, blocks: Blocks, since: int = 0, among: Flags | None = None
) -> list[Judgement]:
    """Every page of `data` that the server would refuse: a wrong checksum, or a "new" page that is not all
    zero. `blocks` are the numbers of its pages. With `since`, only pages that are new or claim that LSN or a
    later one are looked at; with `among`, only those that it marks.

    The caller decides by LSN which of them may be judged. A partial page at the end is not looked at.
    """
    pages = _as_pages(data)
    wanted = np.ones(len(pages), dtype=bool) if among is None else among[: len(pages)]
    new = wanted & ((pages[:, 0, 3] >> np.uint32(16)) == 0)  # pd_upper, bytes 14-15
    wrong = np.zeros(len(pages), dtype=bool)
    if new.any():
        wrong[new] = pages[new].reshape(int(new.sum()), -1).any(axis=1)
    dated = np.flatnonzero(wanted & ~new & (_lsns(pages) >= np.uint64(since)))
    if len(dated):
        chosen = pages if len(dated) == len(pages) else pages[dated]
        stored = (chosen[:, 0, 2] & np.uint32(0xFFFF)).astype(np.uint16)
        wrong[dated] = stored != _expected(chosen, blocks[dated])
    return [Judgement(int(index), int(_lsns(pages)[index])) for index in np.flatnonzero(wrong)]


def dated_since(data: memoryview | bytes | bytearray, since: int) -> Flags:
    """Which pages of `data` claim the position `since` or a later one; a partial last one always does."""
    found = np.ones(-(-len(data) // PAGE_SIZE), dtype=bool)
    pages = _as_pages(data)
    found[: len(pages)] = _lsns(pages) >= np.uint64(since)
    return found


def _expected(pages: Words, blocks: Blocks) -> npt.NDArray[np.uint16]:
    folded = np.bitwise_xor.reduce(_rounds(pages), axis=1) ^ blocks.astype(np.uint32)
    wanted: npt.NDArray[np.uint16] = (folded % np.uint32(65535) + np.uint32(1)).astype(np.uint16)
    return wanted


def _as_pages(data: memoryview | bytes | bytearray) -> Words:
    count = len(data) // PAGE_SIZE
    return np.frombuffer(data, dtype="<u4", count=count * _ROWS * _LANES).reshape(count, _ROWS, _LANES)


def _lsns(pages: Words) -> npt.NDArray[np.uint64]:
    high, low = pages[:, 0, 0].astype(np.uint64), pages[:, 0, 1].astype(np.uint64)
    found: npt.NDArray[np.uint64] = (high << np.uint64(32)) | low
    return found
