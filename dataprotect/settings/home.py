"""The folder that holds all state of one installation, and the key Django signs with."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from dataprotect.core.errors import ForeseenError

_OTHERS_MAY_READ_OR_WRITE = 0o066
_SHORTEST_KEY = 50


def prepare(home: Path) -> Path:
    """Make `home` if it is not there; refuse one that others may read or write.

    Made 0700, or by root 0711: that lets the unprivileged user of clones walk through to `clones/`, and shows
    that user nothing.
    """
    try:
        if not home.exists():
            _make(home)
        mode = stat.S_IMODE(home.stat().st_mode)
    except OSError as error:
        raise ForeseenError(
            "settings.dataprotect_home",
            f"The home folder {home} cannot be used: {error.strerror}.",
            "Set DATAPROTECT_HOME to a folder this user may write.",
        ) from error
    if mode & _OTHERS_MAY_READ_OR_WRITE:
        raise ForeseenError(
            "settings.dataprotect_home",
            f"The home folder {home} has mode {mode:04o}: others could read keys in it or plant files.",
            f"Run: chmod 700 {home}",
        )
    return home


def _make(home: Path) -> None:
    """Whoever makes it gives it its mode; a process that comes second finds it."""
    try:
        home.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return
    if os.geteuid() == 0:
        home.chmod(0o711)


def secret_key(file: Path) -> str:
    """The key in `file`; the first process to need it makes it, 0600, whole or not at all."""
    try:
        if not file.exists():
            _create(file)
        mode, key = stat.S_IMODE(file.stat().st_mode), file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(file, "it cannot be read or made") from error
    if mode & 0o077:
        raise _unusable(file, f"its mode is {mode:04o}, so others can read it; 0600 is expected")
    if len(key) < _SHORTEST_KEY:
        raise _unusable(file, f"it is shorter than {_SHORTEST_KEY} characters")
    return key


def _create(file: Path) -> None:
    """`link` refuses to replace, so of two processes starting at once one key wins, and both read it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}-{os.getpid()}-{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_urlsafe(64))
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _unusable(file: Path, why: str) -> ForeseenError:
    return ForeseenError(
        "settings.secret_key_file",
        f"The secret key file {file} is not usable: {why}.",
        "Correct the file or point SECRET_KEY_FILE elsewhere; sessions end when the key changes.",
    )
