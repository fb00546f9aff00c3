"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 check`, `1,200 checks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
