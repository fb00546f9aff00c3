"""The sums that PostgreSQL's page checksum is made of, for many pages at once: in C, else in numpy.

The algorithm is that of `storage/checksum_impl.h` (15-17): 32 interleaved FNV-1a sums over the page as a
64 x 32 matrix of 32-bit words, two closing rounds of zeros, folded by xor.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

ROWS, LANES = 64, 32
"""A page as 32-bit words."""

Words = npt.NDArray[np.uint32]
PageSums = Callable[[Words], Words]
"""From pages (n x ROWS x LANES, little-endian, whole in memory) to n sums. Thread-safe."""

LIBRARY = Path(__file__).with_name("libpagesums.so.1")
"""Built from page_sums.c by `make setup` where there is a compiler. Named .so it would pass for a module."""

_PRIME = np.array(16777619, dtype=np.uint32)  # as arrays: numpy spends longer on taking scalars in
_SHIFT = np.array(17, dtype=np.uint32)
_TOGETHER = 16
"""Rows of a page gathered at once."""
_ROW = np.dtype((np.void, 4 * LANES))
_NO_CHECKSUM_FIELD = np.uint32(0xFFFF0000)

# checksumBaseOffsets of checksum_impl.h: part of the on-disk format.
_START = np.array(
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ],
    dtype=np.uint32,
)  # fmt: skip

_turn = Lock()


def by_numpy(pages: Words) -> Words:
    """One thread at a time: two of them would spend longer on handing each other the interpreter, between
    hundreds of short array operations, than on the sums (2.5 GB/s) themselves.
    """
    with _turn:
        found: Words = np.bitwise_xor.reduce(_rounds(pages), axis=1)
    return found


def _rounds(pages: Words) -> Words:
    """The 32 sums of every page. Everything is done to one row of all pages at once, in place and on memory
    that lies together: with a row of 16 KiB and a few scratch arrays nothing leaves the processor's caches.
    """
    sums = np.empty((len(pages), LANES), dtype=np.uint32)
    sums[:] = _START
    flat, shifted = sums.reshape(-1), np.empty(sums.size, dtype=np.uint32)
    rows = np.empty((_TOGETHER, sums.size), dtype=np.uint32)
    source, gathered = pages.view(_ROW)[:, :, 0], rows.view(_ROW)
    for first in range(0, ROWS, _TOGETHER):
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


def by_library(place: Path) -> PageSums | None:
    """The sums by a library built from page_sums.c. None where there is none that this machine can load, or
    where its sums are not those of numpy: it may have been built from another version.
    """
    try:
        function = ctypes.CDLL(str(place)).dataprotect_page_sums
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p], None

    def sums(pages: Words) -> Words:
        pages = np.ascontiguousarray(pages)
        found = np.empty(len(pages), dtype=np.uint32)
        function(pages.ctypes.data, len(pages), found.ctypes.data)
        return found

    sample = np.arange(2 * ROWS * LANES, dtype=np.uint32).reshape(2, ROWS, LANES) * _PRIME
    return sums if np.array_equal(sums(sample), by_numpy(sample)) else None


page_sums: PageSums = by_library(LIBRARY) or by_numpy
