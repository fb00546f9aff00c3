"""Instants that lie ahead, as they are typed."""

from __future__ import annotations

from datetime import UTC, datetime

from dataprotect.core import clock, validation
from dataprotect.core.errors import InvalidInput

_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def future_instant(field: str, text: str) -> datetime:
    """Aware, UTC. Raises InvalidInput for anything else than a later instant with its zone."""
    instant = validation.timestamp(text, now=_LATEST)
    if instant <= clock.now():
        raise InvalidInput(field, "Expected an instant that lies ahead, such as 2031-01-31T00:00:00Z.")
    return instant
