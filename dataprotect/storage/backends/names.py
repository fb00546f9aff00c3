"""What an object may be called, checked once for every backend."""

from __future__ import annotations

import re

from dataprotect.core.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_PREFIX = re.compile(r"([A-Za-z0-9._-]+/)*[A-Za-z0-9._-]*")
LONGEST_NAME = 1024


def check_name(name: str) -> str:
    """`name` itself. Raises InvalidInput when it could leave the repository or confuse a backend."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or _climbs(name):
        raise InvalidInput("object_name", f"Expected an object name like folder/object-1, got {name!r}.")
    return name


def check_prefix(prefix: str) -> str:
    """`prefix` itself: a name, the beginning of one, or nothing. Raises InvalidInput."""
    if len(prefix) > LONGEST_NAME or not _PREFIX.fullmatch(prefix) or _climbs(prefix):
        raise InvalidInput("object_name", f"Expected the beginning of an object name, got {prefix!r}.")
    return prefix


def _climbs(name: str) -> bool:
    """Dot-only parts climb or stand still; parts that begin with a dot belong to the backend itself."""
    return any(part.startswith(".") for part in name.split("/"))
