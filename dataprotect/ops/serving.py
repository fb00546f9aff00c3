"""Web, workers and log collector as children of one command: started together, watched, and stopped together.

For one machine and for the demo. Beyond that the machine's service manager does it (docs/operations.md).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command

if TYPE_CHECKING:
    import subprocess

STOP_SECONDS = 20.0

_BEGIN = "import os, sys; os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"


@dataclass
class Service:
    """One child in a session of its own; its words go to `log`."""

    name: str
    argv: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = command.background(
            [*_dies_with_us(), *self.argv],
            env=self.environment,
            cwd=settings.BASE_DIR,
            log=self.log,
            own_program=True,
        )

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Ask the main process, which ends its own children in order; kill whatever is left of the group."""
        if self.process is None:
            return
        self.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        command.end_group(self.process, grace=0.1)


class Supervisor:
    """Start all of them or none; `stop` ends them at the same time, last started first."""

    def __init__(self, services: list[Service]) -> None:
        self.services = services

    def start(self) -> None:
        try:
            for service in self.services:
                service.start()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raises ForeseenError `serve.ended` when one of them ended by itself."""
        for service in self.services:
            if service.ended:
                raise ForeseenError(
                    "serve.ended",
                    f"The {service.name} ended by itself. Its last words: {last_line(service.log)}",
                    f"Read {service.log}, correct the cause and start again.",
                )

    def stop(self) -> None:
        threads = [threading.Thread(target=service.stop) for service in reversed(self.services)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def watch(self, interval: float = 0.5) -> None:
        """Return never; raise when one of them ended, or what a signal handler raises."""
        while True:
            self.check()
            time.sleep(interval)


def web(listen: str, environment: Mapping[str, str] | None = None) -> Service:
    """gunicorn on `host:port`."""
    argv = [
        sys.executable, "-m", "gunicorn", "dataprotect.wsgi:application", "--bind", listen,
        "--workers", "2", "--worker-class", "gthread", "--threads", "4",
        "--no-control-socket", "--graceful-timeout", "5",
    ]  # fmt: skip
    return Service("web server", argv, _log("web.log"), environment or {})


def workers(environment: Mapping[str, str] | None = None) -> Service:
    """django-q's cluster: the workers, and the clock of the sweeper."""
    argv = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "qcluster"]
    return Service("workers", argv, _log("workers.log"), environment or {})


def collector(environment: Mapping[str, str] | None = None) -> Service:
    """Streams the log of every instance that wants it; does nothing while none does."""
    argv = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "collect_logs"]
    return Service("log collector", argv, _log("collector.log"), environment or {})


def plain_on_loopback(listen: str) -> dict[str, str]:
    """Children that listen on loopback alone speak plain http, unless BEHIND_TLS says otherwise."""
    host = listen.rpartition(":")[0].strip("[]")
    if "BEHIND_TLS" in os.environ or host not in ("localhost", "127.0.0.1", "::1"):
        return {}
    return {"BEHIND_TLS": "false"}


def stop_on_signals() -> None:
    """A closed terminal or a polite kill ends this command as Ctrl-C does.

    A shell that starts it in the background has it ignore SIGINT; whoever sends one means it all the same.
    Under `nohup` it goes on when the terminal is closed.
    """

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"


def _log(name: str) -> Path:
    folder = Path(settings.DATAPROTECT_HOME) / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / name


def _dies_with_us() -> list[str]:
    """Should this command be killed outright, the kernel asks its children to end. A child that was not told
    to wish so before its parent died looks once who its parent is, and does not begin.
    """
    setpriv = shutil.which("setpriv", path=os.defpath)
    if setpriv is None:
        return []
    begin = [sys.executable, "-I", "-S", "-c", _BEGIN, str(os.getpid())]
    return [setpriv, "--pdeathsig", "TERM", *begin]
