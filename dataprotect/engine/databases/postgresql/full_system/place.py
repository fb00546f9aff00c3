"""The data directory as the worker finds it."""

from __future__ import annotations

import os
import pwd
import struct
from dataclasses import dataclass
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import local_access


@dataclass(frozen=True, slots=True)
class Directory:
    """`path` without links. `system_identifier` is "" when it cannot be read."""

    path: Path
    inode: int
    owner: str
    major: int
    system_identifier: str


def read(given: Path) -> Directory:
    """Raises `full_system.no_directory` for anything that is no data directory, or is not for us to see."""
    try:
        path = given.resolve(strict=True)
        status = path.stat()
        major = int((path / "PG_VERSION").read_text())
        owner = pwd.getpwuid(status.st_uid).pw_name
    except (OSError, ValueError, KeyError) as error:
        why = error.strerror if isinstance(error, OSError) else "its version or its owner is unknown"
        raise ForeseenError(
            "full_system.no_directory",
            f"This worker sees no PostgreSQL data directory at {given}: {why}.",
            "Run it on the server's machine and name its data directory; restore files into an empty one.",
        ) from None
    return Directory(path, status.st_ino, owner, major, identifier(path))


def identifier(data: Path) -> str:
    """ "" when the control file is missing or cut off."""
    try:
        return local_access.system_identifier(data)
    except (OSError, struct.error):
        return ""


def account(owner: str) -> Account:
    """Whom the server runs as. Raises `account.missing`."""
    return command.unprivileged_account(owner)


def problem(data: Path) -> str:
    """Why this worker cannot exchange the directory; "" when it can."""
    if os.path.ismount(data):
        return f"{data} is a mount point and cannot be renamed: let the data lie in a folder below it"
    if data.stat().st_dev != data.parent.stat().st_dev:
        return f"{data} and {data.parent} are not on one file system"
    if os.geteuid() not in (0, data.stat().st_uid):
        return f"the worker is neither root nor the owner of {data}"
    if not os.access(data.parent, os.W_OK | os.X_OK):
        return f"the worker may not write in {data.parent}"
    return ""
