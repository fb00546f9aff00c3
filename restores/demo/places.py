"""Where the demo keeps its server: below the home, or in /var/tmp when the server's user cannot get there."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.command import Account, unprivileged_account


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` holds everything of the throwaway server; `why` is a sentence when it is not below home."""

    home: Path
    folder: Path
    account: Account
    why: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def tablespace(self) -> Path:
        return self.folder / "tablespace"

    @property
    def sockets(self) -> Path:
        return self.folder / "sockets"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def repository(self) -> Path:
        return self.home / "demo" / "repository"


def choose_place(home: Path) -> Place:
    """The demo's folders, existing, each with the owner and mode it needs.

    Raises ForeseenError `account.missing`, or `demo.place` when a folder belongs to somebody else.
    """
    account = unprivileged_account()
    own = home / "demo"
    own.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder, why = own / "server", ""
    if account.uid != os.geteuid():
        if can_walk(account, home.parent):
            # 0711 shows the server's user nothing: it may only pass through to its own folder.
            home.chmod(home.stat().st_mode | 0o011)
            own.chmod(0o711)
        else:
            folder = _outside(home)
            why = (
                f"The server's files are in {folder}: PostgreSQL does not run as root, and the user "
                f"{account.name} cannot walk into {home}."
            )
    for each, mode in ((folder, 0o700), (folder / "tablespace", 0o700), (folder / "sockets", 0o700)):
        _own(each, mode, account)
    _own(folder / "logs", 0o700, account)
    return Place(home, folder, account, why)


def can_walk(account: Account, folder: Path) -> bool:
    """Whether `account` may pass through every folder down to `folder`, judged by owner and other bits."""
    for step in [folder, *folder.parents]:
        status = step.stat()
        needed = 0o100 if status.st_uid == account.uid else 0o001
        if not status.st_mode & needed:
            return False
    return True


def _outside(home: Path) -> Path:
    """One folder per home, so that two demos never meet."""
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path(f"/var/tmp/dataprotect-demo-{digest}")  # noqa: S108  its owner is checked before use


def _own(folder: Path, mode: int, account: Account) -> None:
    folder.mkdir(mode=mode, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), account.uid):
        raise ForeseenError(
            "demo.place",
            f"The demo's folder {folder} belongs to somebody else.",
            "Remove it, or set DATAPROTECT_HOME to another folder.",
        )
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(mode)
