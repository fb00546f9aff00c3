"""Whether this worker sees the very data directory the server runs on, and why not if it does not."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from dataprotect.engine.databases.postgresql.layout import CONTROL_FILE, TABLESPACE_LINKS
from dataprotect.engine.databases.postgresql.server import Server

_START_TOLERANCE = 5.0
"""Seconds between the start time in postmaster.pid and the one the server reports; they are taken moments
apart.
"""


@dataclass(frozen=True, slots=True)
class LocalAccess:
    """`directory` is None when the local reader cannot work; `reason` is a sentence either way."""

    directory: Path | None
    reason: str


def look(given: Path | None, server: Server) -> LocalAccess:
    """Try the directory somebody entered, else the one the server names.

    A matching system identifier alone would also fit a standby or a copy of the cluster on this machine, so
    the
    start time in its postmaster.pid must fit as well.
    """
    if given is None and server.data_directory is None:
        return LocalAccess(
            None, "The server does not show its data directory to this user, and none was entered."
        )
    directory = given or Path(str(server.data_directory))
    try:
        problem = _problem(directory, server)
    except OSError as error:
        problem = f"The worker cannot read {directory} ({os.strerror(error.errno or 0)})."
    if problem:
        return LocalAccess(None, problem)
    return LocalAccess(
        directory, f"The worker reads {directory} itself; its system identifier is the server's."
    )


def system_identifier(directory: Path) -> str:
    """The cluster's identifier: the first eight bytes of global/pg_control. Raises OSError."""
    with (directory / CONTROL_FILE).open("rb") as control:
        return str(struct.unpack("=Q", control.read(8))[0])


def _problem(directory: Path, server: Server) -> str | None:
    found = system_identifier(directory)
    if found != server.system_identifier:
        return (
            f"{directory} belongs to another cluster: its system identifier is {found}, "
            f"the server's is {server.system_identifier}."
        )
    if not _is_running_here(directory, server):
        return f"{directory} is not what this server runs on: it is a copy or a standby of the same cluster."
    links = directory / TABLESPACE_LINKS
    for place in [directory / "base", directory / "global", *links.iterdir()]:
        if not os.access(place, os.R_OK | os.X_OK):
            return f"The worker cannot read {place}."
    return None


def _is_running_here(directory: Path, server: Server) -> bool:
    lines = (directory / "postmaster.pid").read_text().splitlines()
    started, port = float(lines[2]), int(lines[3])
    return abs(started - server.started_at.timestamp()) <= _START_TOLERANCE and port == server.port
