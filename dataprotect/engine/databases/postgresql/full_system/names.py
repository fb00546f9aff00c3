"""What the folders of one restore are called. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from dataprotect.core.errors import InvalidInput
from dataprotect.engine.full_system_model import Names

_RESTORE_ID = re.compile(r"[a-zA-Z0-9-]{1,32}")


def of(data_directory: Path, restore_id: str) -> Names:
    """Raises InvalidInput."""
    checked(restore_id)
    beside = data_directory.with_name
    restored = f"{data_directory.name}__restore_{restore_id}"
    return Names(
        restored=beside(restored),
        kept=beside(f"{data_directory.name}__before_{restore_id}"),
        journal=beside(f"{restored}.json"),
    )


def space_restored(location: Path, restore_id: str) -> Path:
    """Inside the tablespace's own folder, which may be a mount point and is never renamed itself."""
    return location / f"dataprotect-restore-{checked(restore_id)}"


def space_kept(location: Path, restore_id: str) -> Path:
    return location / f"dataprotect-before-{checked(restore_id)}"


def checked(restore_id: str) -> str:
    """`restore_id` itself: it becomes part of paths. Raises InvalidInput."""
    if not _RESTORE_ID.fullmatch(restore_id):
        raise InvalidInput("restore_id", "Expected a restore id of 1 to 32 letters, digits and -.")
    return restore_id
