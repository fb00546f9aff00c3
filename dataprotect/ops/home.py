"""Places below DATAPROTECT_HOME, made when first asked for."""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path

from django.conf import settings


def place(name: str, mode: int = 0o700) -> Path:
    """The folder `name` in the home; made with `mode` if it is not there."""
    folder: Path = settings.DATAPROTECT_HOME / name
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    return folder


def keys() -> Path:
    return place("keys")


def spool() -> Path:
    return place("spool")


def logs() -> Path:
    return place("logs")


def clone_user() -> str | None:
    """Whom clones run as: the configured user when we are root (PostgreSQL refuses root), else None: us."""
    return str(settings.CLONE_USER) if os.geteuid() == 0 else None


def clones() -> Path:
    """Where clones live: the configured folder, or, when the clone user cannot walk there,
    `/var/tmp/dataprotect-<hash of the home>`, so that two homes never meet.
    """
    wanted: Path = settings.CLONE_DIRECTORY
    user = clone_user()
    if user is None or _walkable(wanted.parent, user):
        folder = wanted
    else:
        digest = hashlib.sha256(str(settings.DATAPROTECT_HOME).encode()).hexdigest()[:12]
        folder = Path(f"/var/tmp/dataprotect-{digest}")  # noqa: S108  0711, owner checked below
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        from dataprotect.core.errors import ForeseenError

        raise ForeseenError(
            "clones.directory", f"The clone folder {folder} belongs to somebody else.",
            "Remove it or set CLONE_DIRECTORY to a folder of your own.",
        )  # fmt: skip
    folder.chmod(0o711)
    return folder


def _walkable(folder: Path, user: str) -> bool:
    """May `user` pass through every folder on the way? Folders that do not exist yet will be made 0711."""
    account = pwd.getpwnam(user)
    groups = set(os.getgrouplist(user, account.pw_gid))
    return all(
        _may_pass(step.stat(), account.pw_uid, groups) for step in [folder, *folder.parents] if step.exists()
    )


def _may_pass(status: os.stat_result, uid: int, groups: set[int]) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid in groups:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
