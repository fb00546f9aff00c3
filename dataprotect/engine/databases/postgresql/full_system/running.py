"""Whether a server works in a data directory: by its processes, never by what a program claims.

A server's processes have the data directory as their working directory, under whatever name it has by now.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command, processes
from dataprotect.engine.command import Account
from dataprotect.engine.processes import Process

LOCK_FILE = "postmaster.pid"
_POLL_SECONDS = 0.1
_LOCK_NOTE = "DataProtect exchanges this directory"


def server_in(data: Path) -> Process | None:
    """A process of a server that works there; the postmaster when it is among them."""
    found = list(processes.inside(data.resolve(), "postgres"))
    named = noted(data)
    return next((each for each in found if each.pid == named), found[0] if found else None)


def noted(data: Path) -> int | None:
    """The process id in postmaster.pid, which may be long dead."""
    try:
        return int((data / LOCK_FILE).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def wait(data: Path, seconds: float, until: Callable[[Process | None], bool]) -> bool:
    """Whether `until` came true of `server_in(data)` in time."""
    deadline = time.monotonic() + seconds
    while not until(server_in(data)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@contextmanager
def locked(data: Path, owner: Account) -> Iterator[None]:
    """Hold the directory's own postmaster.pid, as a server would: none starts in it meanwhile.

    In it is the id of a process of the server's user: of others, root among them, a server takes no notice.
    The directory may be renamed while it is held. When we die that process ends, and a server takes the file
    for the leftover it is. Raises `full_system.running`.
    """
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with command.companion(owner) as pid:
            content = f"{pid}\n{_LOCK_NOTE}\n".encode()
            _take(data, folder, owner, content)
            try:
                if (found := server_in(data)) is not None:
                    raise _running(data, found.pid)
                yield
            finally:
                _let_go(folder, content)
    finally:
        os.close(folder)


def _let_go(folder: int, content: bytes) -> None:
    """Only what is ours: never a running server's."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            ours = file.read(len(content) + 1) == content
        if ours:
            os.unlink(LOCK_FILE, dir_fd=folder)


def forget_lock(data: Path) -> None:
    """Take away the lock that one of us left who was killed; a server would not once its id is used again."""
    with contextlib.suppress(FileNotFoundError):
        file = data / LOCK_FILE
        if _LOCK_NOTE in file.read_text(errors="replace") and server_in(data) is None:
            file.unlink()


def _take(data: Path, folder: int, owner: Account, content: bytes) -> None:
    """A hard link makes the file appear whole, with its owner, and only where there is none."""
    if (found := server_in(data)) is not None:
        raise _running(data, found.pid)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(LOCK_FILE, dir_fd=folder)  # of a server that is dead, as was seen
    made = f"{LOCK_FILE}.dataprotect"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(made, dir_fd=folder)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.write(descriptor, content)
        os.fchown(descriptor, owner.uid, owner.gid)
        os.link(made, LOCK_FILE, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise _running(data, noted(data) or 0) from None
    finally:
        os.close(descriptor)
        os.unlink(made, dir_fd=folder)


def _running(data: Path, pid: int) -> ForeseenError:
    return ForeseenError(
        "full_system.running",
        f"A server runs in {data} (process {pid}); nothing was renamed.",
        "Stop it, and see that nothing starts it again by itself, before this is done.",
    )
