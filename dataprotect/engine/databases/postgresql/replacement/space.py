"""Free space, where it can be told honestly: by looking at the very file system, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from dataprotect.engine.databases.postgresql import local_access, server
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement.access import rows
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceTarget
from dataprotect.engine.restore_target import SPARE

_PLACE = "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = %s"


def on_server(target: ReplaceTarget, connection: Connection, tablespace: str, size: int) -> Check:
    """Room for the staged database and a tenth more, beside the one in use."""
    name, needed = "free space on the server", int(size * (1 + SPARE))
    wanted = f"{shown(needed)} in tablespace {tablespace}"
    access = local_access.look(target.data_directory, server.facts(connection))
    if access.directory is None:
        return Check(name, None, wanted, f"not known: {access.reason} Look on the server before you go on.")
    found = rows(connection, _PLACE, tablespace)
    place = Path(found[0][0]) if found and found[0][0] else access.directory
    try:
        free = free_bytes(place if place.is_absolute() else access.directory / place)
    except OSError as error:
        return Check(name, None, wanted, f"not known: {place} cannot be looked at ({error.strerror})")
    return Check(name, free >= needed, wanted, f"{shown(free)} free at {place}")


def in_spool(spool: Path, size: int) -> Check:
    """Room for the dump; compressed it is smaller."""
    name, wanted = "free space in the spool", f"at most {shown(size)}"
    place = spool
    while not place.exists():
        place = place.parent
    free = free_bytes(place)
    return Check(name, free >= size, wanted, f"{shown(free)} free at {place}")


def free_bytes(place: Path) -> int:
    """What an unprivileged writer may still take."""
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def shown(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
