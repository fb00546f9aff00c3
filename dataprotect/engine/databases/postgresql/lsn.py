"""Log sequence numbers: the server's text (`1A/2B3C4D5E`) and the 64-bit number behind it. Pure."""

from __future__ import annotations


def parse(text: str) -> int:
    """The byte position that `text` names. Raises ValueError when it is no LSN."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(f"not an LSN: {text!r}")
    return (int(high, 16) << 32) | int(low, 16)


def text(position: int) -> str:
    """`position` as the server writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def record_end(position: int, block: int = 8192, segment: int = 16 << 20) -> int:
    """Where the last record before the insert position `position` ends.

    `pg_current_wal_insert_lsn` says where the next record starts. At the start of a page that lies behind
    the page's header (24 bytes, 40 on a segment's first page), which no flush reaches before that record.
    """
    header = 40 if position % segment < block else 24
    return position - header if position % block == header else position
