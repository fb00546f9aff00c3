"""Renames that are named before the first one is done, and finished by whoever comes after a death.

A folder keeps its inode under every name of its file system, so looking tells for each rename whether it was
done. (Device numbers are not compared: they may change when the machine starts anew.)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.command import Account
from dataprotect.engine.tree import sync_folder

State = Literal["waiting", "done", "lost"]


@dataclass(frozen=True, slots=True)
class Move:
    """The folder with this inode goes from `source` to `destination`, both on one file system."""

    source: Path
    destination: Path
    inode: int

    @property
    def state(self) -> State:
        if inode(self.destination) == self.inode:
            return "done"
        return "waiting" if inode(self.source) == self.inode else "lost"


def move(source: Path, destination: Path) -> Move:
    """Of what is at `source` now. Raises `full_system.rename` when nothing is."""
    found = inode(source)
    if found is None:
        raise _refused(source, destination, "there is no such folder")
    return Move(source, destination, found)


def inode(path: Path) -> int | None:
    """The inode of a real folder; None for a link, a file, and nothing."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino if path.is_dir() and not path.is_symlink() else None


def carry_out(wanted: Sequence[Move], owner: Account, name: str) -> int:
    """Do what is waiting, in order and durably; returns how many. `name` is that of the fault test's steps.

    Raises `full_system.rename`: what was done stays done, and doing it again goes on from there.
    """
    done = 0
    for number, each in enumerate(wanted, 1):
        state = each.state
        if state == "lost":
            raise _refused(each.source, each.destination, "the folder that was there is gone")
        if state == "waiting":
            _rename(each, owner)
            done += 1
        steps.reached(f"full_system.{name}.{number}")
    return done


def reversal(done: Sequence[Move]) -> tuple[Move, ...]:
    """What takes back those that were done, last first. The server may have dropped a tablespace since and
    made another in its place: what lies there now goes back.
    """
    back = []
    for each in reversed(done):
        now = inode(each.destination)
        if each.state != "waiting" and now is not None:
            back.append(Move(each.destination, each.source, now))
    return tuple(back)


def _rename(each: Move, owner: Account) -> None:
    try:
        if each.destination.exists() or each.destination.is_symlink():
            raise _refused(each.source, each.destination, "something is there already")
        if not each.destination.parent.exists():
            make_folder(each.destination.parent, owner)
        each.source.rename(each.destination)
        sync_folder(each.destination.parent)
        sync_folder(each.source.parent)
    except OSError as error:
        raise _refused(each.source, each.destination, error.strerror or str(error)) from None


def make_folder(folder: Path, owner: Account) -> None:
    """Make one of the server's user, 0700. Raises OSError."""
    folder.mkdir(0o700)
    os.chown(folder, owner.uid, owner.gid)
    sync_folder(folder.parent)


def _refused(source: Path, destination: Path, why: str) -> ForeseenError:
    return ForeseenError(
        "full_system.rename",
        f"{source} could not be renamed to {destination}: {why}.",
        "Correct the cause; then do the same again, or take the restore back.",
    )
