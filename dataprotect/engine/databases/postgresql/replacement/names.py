"""What the databases of one replacement are called. Pure."""

from __future__ import annotations

import hashlib
import re

from dataprotect.core.errors import InvalidInput
from dataprotect.engine.replace_model import Names

LONGEST = 63
"""Bytes of a name; the server would cut a longer one silently."""
_RESTORE_ID = re.compile(r"[a-zA-Z0-9-]{1,32}")
_DIGEST = 8


def of(database: str, restore_id: str) -> Names:
    """An id holds no underscore, so the last `__` of a name always parts it: no two share one.

    Raises InvalidInput.
    """
    if not _RESTORE_ID.fullmatch(restore_id):
        raise InvalidInput("restore_id", "Expected a restore id of 1 to 32 letters, digits and -.")
    if not database or len(database.encode()) > LONGEST or "\0" in database:
        raise InvalidInput("database", f"Expected the name of a database, at most {LONGEST} bytes.")
    return Names(
        staged=_name(database, f"__restore_{restore_id}"),
        kept=_name(database, f"__before_{restore_id}"),
        undone=_name(database, f"__undone_{restore_id}"),
    )


def _name(database: str, suffix: str) -> str:
    if len((database + suffix).encode()) <= LONGEST:
        return database + suffix
    digest = hashlib.sha256(database.encode()).hexdigest()[:_DIGEST]
    room = LONGEST - len(suffix) - _DIGEST - 1
    # A character cut in two is left out whole.
    return f"{database.encode()[:room].decode(errors='ignore')}_{digest}{suffix}"
