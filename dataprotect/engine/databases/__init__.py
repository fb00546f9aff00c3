"""Engines by name."""

from __future__ import annotations

from dataprotect.core.errors import InvalidInput
from dataprotect.engine.databases.base import Engine


def get(name: str) -> Engine:
    """The engine called `name`. Raises InvalidInput for one that does not exist."""
    if name == "postgresql":
        from dataprotect.engine.databases.postgresql.engine import PostgresEngine

        return PostgresEngine()
    raise InvalidInput("engine", f"There is no engine {name!r}; expected one of: {', '.join(names())}.")


def names() -> tuple[str, ...]:
    """Every engine there is."""
    return ("postgresql",)
