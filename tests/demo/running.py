"""The demo as a person starts it: a process of its own, in a home of its own, seen through its output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0


class RunningDemo:
    """`lines` grows as the demo speaks."""

    def __init__(self, home: Path, *words: str, argv: list[str] | None = None) -> None:
        environment = {**os.environ, "DATAPROTECT_HOME": str(home), "CI": "true"}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            argv or [sys.executable, "manage.py", "demo", *words],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, words: str) -> str:
        """The first line that contains `words`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if words in line:
                    return line
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.05)
        raise AssertionError(f"the demo never said {words!r}:\n{self.text}")

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(10)
        return code

    def summary(self) -> dict[str, Any]:
        """The JSON object in the last line."""
        found: dict[str, Any] = json.loads(self.lines[-1])
        return found

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to everything in its foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))


def processes_of(home: Path) -> list[str]:
    """Every living process that was started for this home or works in it, as `pid command`."""
    return [f"{pid} {_command(pid)}" for pid in _pids() if pid != os.getpid() and _belongs(pid, home)]


def wait_until_none_is_left(home: Path, seconds: float = 30.0) -> list[str]:
    """What is still there after `seconds`; an empty list as soon as nothing is."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _pids() -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        yield int(folder.name)


def _belongs(pid: int, home: Path) -> bool:
    """By its environment (web, workers) or its working directory (servers), which no argument can fake."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        named = f"DATAPROTECT_HOME={home}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
        works = Path(str(Path(f"/proc/{pid}/cwd").readlink()).removesuffix(" (deleted)"))
    except OSError:
        return False
    return state != "Z" and (named or works.is_relative_to(home))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"
