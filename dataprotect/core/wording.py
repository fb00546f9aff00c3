"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 check`, `1,200 checks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def days_in_words(count: int) -> str:
    """`90 days`; `7 years` where it is whole years of 365 days."""
    if count and count % 365 == 0:
        return counted(count // 365, "year")
    return counted(count, "day")
