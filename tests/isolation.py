"""Tests never touch the world: a clean environment, a throwaway home, and no socket beyond loopback."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

KEPT = {"PATH", "TERM", "TMPDIR", "USER", "LOGNAME", "VIRTUAL_ENV", "CI", "DJANGO_SETTINGS_MODULE"}
KEPT_PREFIXES = ("PYTEST_", "PYTHON", "PLAYWRIGHT_", "HYPOTHESIS_", "OPS_TESTS_")
NOT_KEPT = {"PYTHONUNBUFFERED"}
"""With it nobody notices that a program keeps what it says to itself."""
PREFIX = "dataprotect-tests-"
_CGROUP = Path("/sys/fs/cgroup")
_MEMORY_NEEDED = 12 << 30
_MEMORY_USED = 6 << 30
"""At most, in bytes, by one test process: several run side by side, and need a fraction of it."""


def clean_environment() -> Path:
    """Keep what running Python takes, drop the rest, and give this process its own HOME and DATAPROTECT_HOME.

    Returns the folder that holds both, which the servers' user can walk into.
    """
    for name in list(os.environ):
        if name in NOT_KEPT or (name not in KEPT and not name.startswith(KEPT_PREFIXES)):
            del os.environ[name]
    workdir = new_workdir()
    for name, folder in {"HOME": "user", "DATAPROTECT_HOME": "home"}.items():
        place = workdir / folder
        place.mkdir(mode=0o711)
        os.environ[name] = str(place)
    os.environ["EMERGENCY_STOP_FILE"] = str(workdir / "emergency-stop")
    os.environ.update({"LC_ALL": "C.UTF-8", "TZ": "UTC"})
    return workdir


def new_workdir() -> Path:
    """A new folder below a temporary folder that everybody can walk into (a TMPDIR in /root is not)."""
    remove_leftovers()
    workdir = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_public_temporary()))
    _keep_in_memory(workdir)
    workdir.chmod(0o711)
    (workdir / "owner").write_text(f"{os.getpid()} {_started(os.getpid())}")
    return workdir


def remove_leftovers() -> None:
    """Stop the servers and remove the folders of earlier test runs that were killed."""
    for workdir in _public_temporary().glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # another run that starts now was quicker
            if workdir.stat().st_uid == os.geteuid() and _owner_is_gone(workdir):
                remove_workdir(workdir)


def remove_workdir(workdir: Path) -> None:
    from tests.servers.process import stop_servers_below

    stop_servers_below(workdir)
    shutil.rmtree(workdir, ignore_errors=True)
    if workdir.is_mount():
        subprocess.run(["umount", "--recursive", "--lazy", str(workdir)], check=False, capture_output=True)
        shutil.rmtree(workdir, ignore_errors=True)


def remove_own_workdir(workdir: Path, pid: int) -> None:
    """For atexit: a forked child of the test process leaves the folder alone."""
    if os.getpid() == pid:
        remove_workdir(workdir)


def _keep_in_memory(workdir: Path) -> None:
    """Where that can be: making, flushing and deleting a million files on a disk is a third of a run.

    What only a disk does (refuse a write that is not aligned) is tested in a folder on one.
    """
    if os.geteuid() == 0 and _memory_available() >= _MEMORY_NEEDED:
        options = f"size={_MEMORY_USED},mode=0711"
        words = ["mount", "-t", "tmpfs", "-o", options, "dataprotect-tests", str(workdir)]
        subprocess.run(words, check=False, capture_output=True)


def _memory_available() -> int:
    """In bytes; a container may be allowed less than the machine has."""
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    available = int(found[1]) << 10 if found else 0
    with contextlib.suppress(OSError, ValueError):
        allowed, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        available = min(available, allowed - used)
    return available


def _public_temporary() -> Path:
    chosen = Path(tempfile.gettempdir()).resolve()
    reachable = all(place.stat().st_mode & 0o001 for place in [chosen, *chosen.parents])
    return chosen if reachable else Path("/var/tmp")


def _owner_is_gone(workdir: Path) -> bool:
    try:
        pid, started = (workdir / "owner").read_text().split()
    except (OSError, ValueError):
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """A process' start in clock ticks (field 22 of its stat), so that a reused pid is told apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


class OutsideWorld(RuntimeError):
    """A test tried to leave loopback."""


class SocketGuard:
    """An audit hook, so that no library gets round it by having imported `socket` first.

    It sees Python's own sockets. libpq opens its own; tests hand it addresses of their own servers only.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []

    def install(self) -> None:
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._check(arguments[1])
        elif event == "socket.getaddrinfo":
            self._resolve(arguments[0])

    def _check(self, address: object) -> None:
        host = address[0] if isinstance(address, tuple) and address else None
        if isinstance(host, str) and not is_loopback(host):
            self.attempts.append(host)
            raise OutsideWorld(f"tests may only connect to loopback, not to {host}")

    def _resolve(self, host: object) -> None:
        """Names outside this machine do not exist for a test; no name server is asked."""
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and not is_loopback(name) and not _is_address(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def is_loopback(host: str) -> bool:
    if host in ("", "localhost") or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
