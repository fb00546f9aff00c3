"""PostgreSQL's page checksum (15-17), for many pages at once.

As in `storage/checksum_impl.h`: the page's sums (page_sums.py), mixed with its block number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataprotect.engine.databases.postgresql.page_sums import LANES, ROWS, Words, page_sums

PAGE_SIZE = 8192

Flags = npt.NDArray[np.bool_]
Blocks = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Pages (by index within the data) whose checksum is wrong, and the LSN each claims."""

    index: int
    lsn: int


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
    folded = page_sums(pages) ^ blocks.astype(np.uint32)
    wanted: npt.NDArray[np.uint16] = (folded % np.uint32(65535) + np.uint32(1)).astype(np.uint16)
    return wanted


def _as_pages(data: memoryview | bytes | bytearray) -> Words:
    count = len(data) // PAGE_SIZE
    return np.frombuffer(data, dtype="<u4", count=count * ROWS * LANES).reshape(count, ROWS, LANES)


def _lsns(pages: Words) -> npt.NDArray[np.uint64]:
    high, low = pages[:, 0, 0].astype(np.uint64), pages[:, 0, 1].astype(np.uint64)
    found: npt.NDArray[np.uint64] = (high << np.uint64(32)) | low
    return found
