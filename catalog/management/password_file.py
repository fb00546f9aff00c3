"""Reading a password from a file that only its owner can read, or from standard input."""

from __future__ import annotations

import os
import stat
import sys

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.ops.masking import remember

_LONGEST = 4096


def read_password(place: str) -> Secret:
    """The first line of the file, or of standard input for `-`.

    Raises ForeseenError `password_file.exposed` for a file that others may read: it is no secret any more.
    """
    data = sys.stdin.buffer.readline(_LONGEST) if place == "-" else _read(place)
    try:
        text = data.decode("utf-8").split("\n", 1)[0].removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidInput("password_file", "Expected the password as UTF-8 text.") from None
    if not text:
        raise InvalidInput("password_file", "Expected a password in the first line; it is empty.")
    remember(text)
    return Secret(text)


def _read(place: str) -> bytes:
    """Judged by the open file: what is checked is what is read. O_NONBLOCK: a pipe does not hang us."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise ForeseenError(
            "password_file.unreadable",
            f"The password file {place[:200]!r} cannot be read: {reason}.",
            "Name a file with mode 0600 that holds the password, or - for standard input.",
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput("password_file", "Expected a regular file, or - for standard input.")
        if status.st_mode & 0o077:
            raise _exposed(place, stat.S_IMODE(status.st_mode))
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)


def _exposed(place: str, mode: int) -> ForeseenError:
    return ForeseenError(
        "password_file.exposed",
        f"The password file {place[:200]!r} has mode {mode:04o}: others than its owner may read it.",
        f"Run chmod 600 {place[:200]}, and change the password if others may have seen it.",
    )
