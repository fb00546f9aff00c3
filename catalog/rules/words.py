"""Lengths and sizes as people say them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote


def span(length: timedelta) -> str:
    """`3 d 4 h`, `2 h 5 min`, `48 s`: the two largest units that say something."""
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


def seconds(amount: float) -> str:
    return span(timedelta(seconds=amount))


def size(count: float) -> str:
    """`1.2 GB`: powers of 1000, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def ended(sentence: str) -> str:
    """With exactly one full stop."""
    return f"{sentence.rstrip().rstrip('.')}."


def page(kind: str, name: str) -> str:
    """`/instances/orders/`."""
    return f"/{kind}/{quote(name, safe='')}/"
