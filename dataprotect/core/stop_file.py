"""The emergency stop's file: whoever has a shell and no time makes it, and everything looks for it.

The dashboard's switch is the application's (`ops.stop`). The engine and the rescue, which know no
application, look at the file themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

from dataprotect.core.errors import EmergencyStop

DEFAULT = "/tmp/BACKUP_EMERGENCY_STOP"  # noqa: S108  the agreed place; anybody may raise the stop
_LONGEST_REASON = 300


def place() -> Path:
    """Where the setting EMERGENCY_STOP_FILE says; a relative path counts from the working directory."""
    return Path(os.environ.get("EMERGENCY_STOP_FILE") or DEFAULT).expanduser().absolute()


def reason(file: Path) -> str | None:
    """Why the file says to stop, or None when there is no file. A file that cannot be read stops as well."""
    try:
        words = _words(file)
    except FileNotFoundError:
        return None
    except OSError:
        words = []
    return f"the file {file} is there" + (f": {' '.join(words)}" if words else "")


def _words(file: Path) -> list[str]:
    """Without ever waiting: somebody may have put a pipe there."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST_REASON).decode("utf-8", "replace").split()
    finally:
        os.close(descriptor)


def stopped(why: str) -> EmergencyStop:
    return EmergencyStop(f"The emergency stop is active: {why}.")
