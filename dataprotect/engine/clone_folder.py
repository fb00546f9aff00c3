"""The folder of one clone, and the note in it from which leftovers are found after any kind of death.

`<clones>/<clone id>/` holds `clone.json`, `data/`, `tablespaces/<oid>/`, `server.log` and the socket's
folder `s/`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine import processes
from dataprotect.engine.command import Account
from dataprotect.engine.processes import Process

SOCKET_LIMIT = 107
"""Bytes of a socket's path, `.s.PGSQL.5432` included (sun_path without its zero)."""
_NAME = re.compile(r"clone-[0-9a-f]{12}")
_NEW = "new-"
_ABANDONED_SECONDS = 3600.0
_PATIENCE = 15.0
_STATE = "clone.json"
_LONG_SOCKETS = "dataprotect-clone-"
Purpose = Literal["verification", "kept"]
Phase = Literal["restoring", "starting", "running", "dropping"]


@dataclass(frozen=True, slots=True)
class State:
    """What `clone.json` says. `keeper` is the process that made it; a verification's clone never outlives
    it.
    """

    clone_id: str
    instance_id: str
    backup_id: str
    purpose: Purpose
    phase: Phase
    keeper: Process
    socket_directory: str
    created_at: str
    dsn: str = ""
    server: Process | None = None
    reached_position: str = ""
    reached_at: str = ""
    target: str = ""


def new_clone_id() -> str:
    return f"clone-{secrets.token_hex(6)}"


def check_clone_id(clone_id: str) -> str:
    """`clone_id` itself. Raises InvalidInput: nothing else is ever deleted under the clones folder."""
    if not _NAME.fullmatch(clone_id):
        raise InvalidInput("clone_id", f"Expected 'clone-' and 12 hexadecimal digits, got {clone_id[:60]!r}.")
    return clone_id


def create(clones: Path, instance_id: str, backup_id: str, purpose: Purpose, account: Account) -> Path:
    """Make the folder with its note in one step; the server's account can walk into it and write nothing
    there.
    """
    clones.mkdir(mode=0o711, parents=True, exist_ok=True)
    check_reachable(clones, account)
    clone_id = new_clone_id()
    made = clones / f"{_NEW}{clone_id}"
    made.mkdir(mode=0o711)
    made.chmod(0o711)  # a worker's umask may be 077
    folder = clones / clone_id
    sockets = _socket_directory(folder)
    state = State(
        clone_id, instance_id, backup_id, purpose, "restoring", processes.myself(), str(sockets),
        clock.iso(clock.now()),
    )  # fmt: skip
    write_state(made, state)
    made.rename(folder)
    sockets.mkdir(mode=0o700, exist_ok=True)
    os.chown(sockets, account.uid, account.gid)
    return folder


def write_state(folder: Path, state: State) -> None:
    """Replace the note, atomically."""
    temporary = folder / f"{_STATE}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(state), file)
        file.flush()
        os.fsync(descriptor)
    temporary.rename(folder / _STATE)


def read_state(folder: Path) -> State | None:
    """The note; None when there is none that can be read."""
    try:
        plain: dict[str, Any] = json.loads((folder / _STATE).read_text())
        keeper, server = Process(**plain["keeper"]), plain["server"]
        return State(**{**plain, "keeper": keeper, "server": Process(**server) if server else None})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def update(folder: Path, **changes: Any) -> State:
    """Change the note. The clone's folder must have one."""
    state = read_state(folder)
    if state is None:
        raise ForeseenError(
            "clone.missing", f"The clone {folder.name} is gone or half removed.", "Bring up a new one."
        )
    state = replace(state, **changes)
    write_state(folder, state)
    return state


def remove(folder: Path) -> None:
    """End the clone's server, if it is still that one, and delete everything of it. Works on half-built
    ones too.
    """
    state = read_state(folder)
    if state is not None:
        write_state(folder, replace(state, phase="dropping"))
    _end_servers(folder)
    if state is not None and Path(state.socket_directory).name.startswith(_LONG_SOCKETS):
        shutil.rmtree(state.socket_directory, ignore_errors=True)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ForeseenError(
            "clone.not_removed",
            f"The folder {folder} of the clone could not be deleted: {error.strerror}.",
            "Delete it yourself; the next sweep tries again.",
        ) from error


def found(clones: Path) -> Iterator[Path]:
    """Every clone's folder."""
    if clones.is_dir():
        yield from (each for each in sorted(clones.iterdir()) if _NAME.fullmatch(each.name))


def is_leftover(folder: Path) -> bool:
    """Whether nobody will come back for it: its maker is dead and it was not meant or not ready to stay."""
    state = read_state(folder)
    if state is None:
        return True
    if state.phase == "running" and state.purpose == "kept":
        return False
    return not state.keeper.is_alive()


def abandoned(clones: Path) -> Iterator[Path]:
    """Folders whose maker died before their note was in place."""
    if clones.is_dir():
        for each in clones.glob(f"{_NEW}clone-*"):
            if time.time() - each.stat().st_mtime > _ABANDONED_SECONDS:
                yield each


_SERVER = ("postgres", "unshare")
"""A server, or what is about to become one."""


def _end_servers(folder: Path) -> None:
    """Immediate shutdown of the postmaster, which takes its children along; then whatever is left."""
    postmaster = _postmaster(folder / "data")
    running = list(processes.inside(folder, *_SERVER))
    for process in [each for each in running if each.pid == postmaster]:
        processes.end(process, signal.SIGQUIT, _PATIENCE)
    for process in processes.inside(folder, *_SERVER):
        processes.end(process, signal.SIGQUIT, _PATIENCE)


def _postmaster(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _socket_directory(folder: Path) -> Path:
    """Inside the clone's folder, unless that would be too long for a socket's path."""
    inside = folder / "s"
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= SOCKET_LIMIT:
        return inside
    return Path(tempfile.mkdtemp(prefix=_LONG_SOCKETS, dir="/tmp"))


def check_reachable(folder: Path, account: Account) -> None:
    """Raise when the server's account cannot walk down to a folder of ours."""
    for place in (folder, *folder.resolve().parents):
        status = place.stat()
        mine = status.st_uid == account.uid
        group = status.st_gid == account.gid
        needed = 0o100 if mine else 0o010 if group else 0o001
        if account.uid != 0 and not status.st_mode & needed:
            raise ForeseenError(
                "clone.unreachable",
                f"The user {account.name}, who runs clones, may not enter {place}.",
                f"Allow it (`chmod o+x {place}`), or keep them in another folder.",
            )
