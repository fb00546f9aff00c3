"""Time as everybody here writes it: aware UTC inside, ISO 8601 outside."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def iso(instant: datetime) -> str:
    """`2026-11-22T15:07:58.123Z`: ISO 8601 in UTC with milliseconds. Refuses a naive datetime."""
    if instant.tzinfo is None:
        raise ValueError("expected an aware datetime, got a naive one")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime:
    """The instant that `iso` wrote, aware, UTC. Raises ValueError for anything without a zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("expected an instant with a time zone")
    return instant.astimezone(UTC)


def compact(instant: datetime) -> str:
    """`20261122T150758Z`, for identifiers."""
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
