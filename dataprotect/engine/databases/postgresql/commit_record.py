"""The newest commit in a segment of log: at that instant of the server's clock its log had come that far.

Read backwards, page by page, without decoding what lies between: a record (xlogrecord.h) begins at a multiple
of eight with 24 bytes, of which the information is at 16, the resource manager at 17 (1: transactions) and a
CRC-32C at 20 over the rest. A commit's data (xact.h) begin with its instant, microseconds since 2000. Records
that continue on the next page are passed over: an earlier one says nearly as much. Standard library only, for
`archive_wal` has to start at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_PAGE = 8192
_PAGE_HEADER, _FIRST_PAGE_HEADER = 24, 40
_HEADER = struct.Struct("<IIQBBHI")
_PAGE_ADDRESS = struct.Struct("<8xQ")
_TRANSACTIONS = b"\x01\x00\x00"
"""The resource manager and the two unused bytes behind it."""
_MANAGER_AT = 17
_KINDS = (0x00, 0x30)
"""Commit, and commit of a prepared transaction."""
_KIND_MASK = 0x70
_SHORT, _LONG, _ORIGIN, _TOP_LEVEL = 255, 254, 253, 252
_SKIPPED = {_ORIGIN: 3, _TOP_LEVEL: 5}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_POLYNOMIAL = 0x82F63B78


def newest_commit(segment: bytes, start: int) -> tuple[datetime, int] | None:
    """Instant and end position of the last commit, None when none is found; `start` is where `segment` begins
    in the log, a segment's own beginning.
    """
    for at in range((len(segment) // _PAGE - 1) * _PAGE, -1, -_PAGE):
        page = segment[at : at + _PAGE]
        if _PAGE_ADDRESS.unpack_from(page)[0] != start + at:
            continue  # never written: zeros, or what the file held before it was used again
        first = _PAGE_HEADER if at else _FIRST_PAGE_HEADER
        for place in _candidates(page, first):
            if (instant := _commit(page, place)) is not None:
                length = int.from_bytes(page[place : place + 4], "little")
                return instant, start + at + place + -(-length // 8) * 8
    return None


def _candidates(page: bytes, first: int) -> Iterator[int]:
    """Where records of transactions may begin, the last one first."""
    found = page.rfind(_TRANSACTIONS)
    while found >= first + _MANAGER_AT:
        if found % 8 == _MANAGER_AT % 8:
            yield found - _MANAGER_AT
        found = page.rfind(_TRANSACTIONS, 0, found + len(_TRANSACTIONS) - 1)


def _commit(page: bytes, place: int) -> datetime | None:
    """The commit's instant, when a whole record of one lies there."""
    if place + _HEADER.size + 2 > len(page):
        return None
    length, _, _, info, _, _, checksum = _HEADER.unpack_from(page, place)
    record = page[place : place + length]
    if info & _KIND_MASK not in _KINDS or len(record) < length or length < _HEADER.size + 10:
        return None
    if crc32c(record[_HEADER.size :] + record[: _HEADER.size - 4]) != checksum:
        return None
    data = _HEADER.size
    while data < length and record[data] in _SKIPPED:
        data += _SKIPPED[record[data]]
    data += {_SHORT: 2, _LONG: 5}.get(record[data], length) if data < length else 0
    if data + 8 > length:
        return None
    return _EPOCH + timedelta(microseconds=int.from_bytes(record[data : data + 8], "little", signed=True))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli). Bit by bit: it is asked for a few short records."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
