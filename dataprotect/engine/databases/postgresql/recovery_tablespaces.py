"""Finding the making of a tablespace in log that is about to be replayed.

Replaying it empties the folder where the source had the tablespace, on whatever machine that happens. Every
segment is looked at while it is fetched; walking all its records would take longer than replaying them.

The record (xlogrecord.h, tablespace.h): 24 bytes of header with the resource manager at 17 (5: tablespaces)
and the kind at 16 (0: create), then 255 and a length, or 254 and a length of four bytes, then an oid and the
path with a zero at its end. Records begin at multiples of eight, in pages that have headers of 24 bytes (40
on a segment's first), which is a multiple of eight as well.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

_PAGE = 8192
_PAGE_HEADER = 24
_MANAGER, _KIND_MASK = 5, 0xF0
_HEADER = 24
EDGE = 2048
"""More than the longest such record: what of one segment's end and the next one's beginning may hold one."""


def payload(segment: Path) -> bytes:
    """The segment's records without the headers of its pages."""
    pages = np.fromfile(segment, dtype=np.uint8).reshape(-1, _PAGE)
    return pages[:, _PAGE_HEADER:].tobytes()


def offset_of(at: int) -> int:
    """Where in its segment the byte `at` of the payload lies."""
    page, inside = divmod(at, _PAGE - _PAGE_HEADER)
    return page * _PAGE + _PAGE_HEADER + inside


def created(records: bytes) -> list[tuple[int, str]]:
    """Where tablespaces are made in these records (from a multiple of eight on), and in which folder."""
    bytes_ = np.frombuffer(records, dtype=np.uint8)
    words = bytes_[: bytes_.size // 8 * 8].reshape(-1, 8)
    found = []
    for start in _candidates(words):
        place = _place(records, int(start) * 8)
        if place is not None:
            found.append((int(start) * 8, place))
    return found


def _candidates(words: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    if len(words) < 6:
        return np.empty(0, dtype=np.intp)
    manager, mark = words[2:-3, 1] == _MANAGER, words[3:-2, 0] >= 254
    hits = manager & mark & ((words[2:-3, 0] & _KIND_MASK) == 0)
    return np.flatnonzero(hits)


def _place(records: bytes, at: int) -> str | None:
    """The path, when the bytes at `at` are such a record from its length to the zero at its end."""
    total = int.from_bytes(records[at : at + 4], "little")
    if records[at + _HEADER] == 255:
        body, length = at + _HEADER + 2, records[at + _HEADER + 1]
    else:
        body = at + _HEADER + 5
        length = int.from_bytes(records[body - 4 : body], "little")
    path = records[body + 4 : body + length]
    whole = total == body + length - at and len(path) == length - 4
    if not whole or not path.startswith(b"/") or path.find(b"\0") != len(path) - 1:
        return None
    return os.fsdecode(path[:-1])
