"""What the server says about damaged pages while it streams a base backup. Its words may be in any
language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_INSIDE = re.compile(
    r"(?:\./)?((?:base/\d+|global|pg_tblspc/\d+/PG_\d+_\d+/\d+)/\d+(?:_\w+)?(?:\.\d+)?)(?![\w./])"
)
_OUTSIDE = re.compile(r"(/PG_\d+_\d+/\d+/\d+(?:_\w+)?(?:\.\d+)?)(?![\w./])")
_BLOCK = re.compile(r"\D*?(\d+)\D.*?\b[0-9A-F]{1,4}\b.*?\b[0-9A-F]{1,4}\b")
"""The number of the block is followed by two checksums, which the message about a file's total lacks."""


def damaged_page(message: str, tablespaces: Mapping[int, str]) -> tuple[str, int] | None:
    """Path within the backup and block within the file, when `message` names a damaged page; None otherwise.

    `tablespaces` gives the location by oid.
    """
    for oid, location in tablespaces.items():
        at = message.find(location + "/PG_")
        found = _OUTSIDE.match(message, at + len(location)) if at >= 0 else None
        if found is not None:
            return _with_block(f"tablespaces/{oid}{found[1]}", message[found.end() :])
    found = _INSIDE.search(message)
    return _with_block(f"pgdata/{found[1]}", message[found.end() :]) if found else None


def _with_block(path: str, rest: str) -> tuple[str, int] | None:
    found = _BLOCK.match(rest)
    return (path, int(found[1])) if found else None
