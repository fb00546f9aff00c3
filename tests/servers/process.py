"""Servers are stopped by their own process id, and only when that process is still the one we started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


def is_running(pid: int) -> bool:
    """A zombie counts as gone: it holds no port and no file."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def works_below(pid: int, folder: Path) -> bool:
    """Whether the process has its working directory in `folder`: PostgreSQL's and Redis' servers do."""
    try:
        place = Path(str(Path(f"/proc/{pid}/cwd").readlink()).removesuffix(" (deleted)"))
    except OSError:
        return False
    return place.is_relative_to(folder)


def children(pid: int) -> list[int]:
    """The process ids whose parent is `pid`, now."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def wait_until_reaped(pid: int, patience: float) -> bool:
    """A zombie still answers `kill(pid, 0)`, which is how PostgreSQL looks for another postmaster."""
    deadline = time.monotonic() + patience
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_until_gone(pid: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return not is_running(pid)


def stop_process(pid: int, sig: int = signal.SIGQUIT, patience: float = 10.0) -> None:
    """Ask with `sig`, wait, and kill what did not go within `patience` seconds."""
    for attempt in (sig, signal.SIGKILL):
        try:
            os.kill(pid, attempt)
        except ProcessLookupError:
            return
        if wait_until_gone(pid, patience):
            return


def stop_servers_below(folder: Path) -> None:
    """Stop every PostgreSQL and Redis server whose data lies below `folder`."""
    for pid in list(_server_pids(folder)):
        if is_running(pid) and works_below(pid, folder):
            stop_process(pid)


def _server_pids(folder: Path) -> Iterator[int]:
    for name in ("postmaster.pid", "redis.pid"):
        for record in folder.rglob(name):
            try:
                yield int(record.read_text().split()[0])
            except (OSError, ValueError, IndexError):
                continue
