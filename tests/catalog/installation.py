"""A whole installation of its own: a fresh home, and `manage.py` as people and scripts run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.postgresql import PostgresServer
from tests.warm import fresh_python

RunPython = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    @property
    def error(self) -> str:
        return str(self.json["error"]["code"])


class Installation:
    """`home` is its DATAPROTECT_HOME, `repository` the folder of its only repository.

    `python` runs its commands; `start` and `workers` always begin fresh processes.
    """

    def __init__(self, home: Path, python: RunPython = fresh_python, **environment: str) -> None:
        self.home = home
        self.python = python
        self.repository = home.parent / f"{home.name}-repository"
        self.environment = environment

    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL", "TZ") if name in os.environ}
        return kept | {
            "DATAPROTECT_HOME": str(self.home),
            "EMERGENCY_STOP_FILE": str(self.home / "stop"),
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *argv], cwd=ROOT, env=self.env(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more,
        )  # fmt: skip

    def run(self, *argv: str, stdin: str | None = None) -> Ran:
        done = self.python(["manage.py", *argv], env=self.env(), stdin=stdin or "", timeout=180)
        return Ran(done.returncode, done.stdout, done.stderr)

    def answer(self, *argv: str, stdin: str | None = None) -> dict[str, Any]:
        """Run with --json; it must succeed."""
        ran = self.run(*argv, "--json", stdin=stdin)
        assert ran.code == 0, ran.out + ran.err
        return ran.json

    def migrate(self) -> None:
        ran = self.run("migrate", "-v", "0")
        assert ran.code == 0, ran.err

    def add_repository(self, name: str = "local", place: Path | None = None) -> dict[str, Any]:
        return self.answer("add_repository", name, str(place or self.repository))

    def add_instance(self, server: PostgresServer, name: str = "orders", *more: str) -> dict[str, Any]:
        return self.answer(*self.instance_words(server, name, *more), stdin=server.password)

    def instance_words(self, server: PostgresServer, name: str = "orders", *more: str) -> list[str]:
        return [
            "add_instance", name, "--engine", "postgresql", "--host", "127.0.0.1", "--port", str(server.port),
            "--user", "postgres", "--password-file", "-", "--environment", "staging", "--tier", "standard",
            "--repository", "local", *more,
        ]  # fmt: skip

    def rows(self, code: str) -> Any:
        """What the expression `code` is in this installation's Django, as plain JSON."""
        program = (
            "import django, json; django.setup()\n"
            "from catalog.models import *; from restores.models import *\n"
            "from dataprotect.ops.models import *\n"
            f"print(json.dumps({code}, default=str))"
        )
        environment = self.env() | {"DJANGO_SETTINGS_MODULE": "dataprotect.settings"}
        done = self.python(["-c", program], env=environment, stdin="", timeout=180)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def workers(self) -> Iterator[subprocess.Popen[str]]:
        """Real workers of the queue, in a process group of their own; gone afterwards."""
        with (self.home / "workers.out").open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"], cwd=ROOT, env=self.env(), text=True,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[str]) -> None:
    """kill -9 of a whole process group that we started."""
    import contextlib
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
