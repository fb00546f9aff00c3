"""Which processes are ours, told by facts that a reused process id cannot fake."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_GONE = " (deleted)"
_START_TIME_FIELD = 19
"""Of what follows the command's closing parenthesis in /proc/<pid>/stat: field 22, in clock ticks since
boot.
"""


@dataclass(frozen=True, slots=True)
class Process:
    """`started`: clock ticks since boot. Two processes with one id never share it; `boot` tells boots
    apart.
    """

    pid: int
    started: int
    boot: str

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return identify(self.pid) == self


def identify(pid: int) -> Process | None:
    """The process with this id as it is now; None when there is none."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[_START_TIME_FIELD]), boot_id())


def myself() -> Process:
    found = identify(os.getpid())
    assert found is not None  # noqa: S101
    return found


def boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def inside(folder: Path, *programs: str) -> Iterator[Process]:
    """Processes of these programs whose working directory lies in `folder`."""
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            here = Path(str((entry / "cwd").readlink()).removesuffix(_GONE))
            running = Path(str((entry / "exe").readlink()).removesuffix(_GONE)).name
            if running in programs and here.is_relative_to(folder) and (found := identify(int(entry.name))):
                yield found


def end(process: Process, first: signal.Signals, patience: float) -> None:
    """Send `first`, then KILL after `patience` seconds; returns when it is gone. Never touches a reused
    id.
    """
    for number, seconds in ((first, patience), (signal.SIGKILL, 10.0)):
        if not process.is_alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        deadline = time.monotonic() + seconds
        while process.is_alive() and time.monotonic() < deadline:
            _reap(process.pid)
            time.sleep(0.05)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError, OSError):
        os.waitpid(pid, os.WNOHANG)
