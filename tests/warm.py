"""A Python that has read the libraries already and forks for each command: two commands in the time of one.

What a command is given (words, environment, streams) and what it gives back (exit code, streams) are those of
a process of its own, and it is one. Nothing that reads settings is imported beforehand, so of the product
only what knows no Django. Only /proc tells the difference: it shows the words and the environment of the warm
process, so a test that looks there starts fresh processes.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
LARGEST_REQUEST = 1 << 17
LIBRARIES = (
    "apprise", "asyncio", "croniter", "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.ciphers.aead", "csp.middleware", "django.contrib.auth.hashers",
    "django.contrib.postgres.forms.ranges", "django.core.management", "django.core.servers.basehttp",
    "django.db.backends.sqlite3.base", "django.db.migrations.loader", "django.db.models", "django.forms",
    "django.shortcuts", "django.template.defaulttags", "django.test.client", "django.views.generic",
    "django_filters", "environ", "fido2.server", "numpy",
    "prometheus_client", "psycopg", "pydantic", "sqlparse", "whitenoise.middleware", "xxhash", "zstandard",
)  # fmt: skip
WITHOUT_DJANGO = ("dataprotect.core", "dataprotect.storage", "dataprotect.engine")


class WarmPython:
    """`run` is `subprocess.run` for a script and its words."""

    def __init__(self) -> None:
        self._idle = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())], cwd=ROOT,
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=_own_environment(),
            )  # fmt: skip

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """`argv` begins with a script, `-c` and a program, or `-m` and a module. The folder is the checkout.

        While another thread's command runs, a fresh process is started: the two have to be able to meet.
        """
        if not self._idle.acquire(blocking=False):
            return fresh_python(argv, env=env, stdin=stdin, timeout=timeout)
        try:
            return self._run(list(argv), dict(env), stdin, timeout)
        finally:
            self._idle.release()

    def _run(
        self, argv: list[str], env: dict[str, str], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        # Pipes, not files: who leaves a process behind that holds them is found out, as by a shell.
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        with tempfile.TemporaryFile() as given, ThreadPoolExecutor(2) as readers:
            given.write(stdin.encode())
            given.seek(0)
            said = [readers.submit(_text, end) for end in (out, err)]
            request = json.dumps({"argv": argv, "env": env}).encode()
            try:
                socket.send_fds(self._channel, [request], [given.fileno(), out_end, err_end])
            finally:
                os.close(out_end)
                os.close(err_end)
            code = self._ended(argv, timeout)
            return subprocess.CompletedProcess(argv, code, *(each.result(timeout) for each in said))

    def close(self) -> None:
        self._channel.close()
        self._process.wait(timeout=30)

    def _ended(self, argv: Sequence[str], timeout: float) -> int:
        self._channel.settimeout(60)
        pid = int(self._channel.recv(32))
        self._channel.settimeout(timeout)
        try:
            return int(self._channel.recv(32))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._channel.settimeout(60)
            self._channel.recv(32)
            raise subprocess.TimeoutExpired(list(argv), timeout) from None


@cache
def warm_python() -> WarmPython:
    """The one of this test process, started when first asked for."""
    warm = WarmPython()
    atexit.register(warm.close)
    return warm


def fresh_python(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """The same as `WarmPython.run`, by an interpreter of its own."""
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env=env,
        text=True,
        capture_output=True,
        input=stdin,
        timeout=timeout,
    )


def _text(end: int) -> str:
    with os.fdopen(end, "rb") as pipe:
        return pipe.read().decode()


def _own_environment() -> dict[str, str]:
    # One thread, because a fork copies no other: numpy would start one per core.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL", "TZ") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """What to run, in every forked child; None in the warm process, when the tests are done."""
    while True:
        request, streams, _, _ = socket.recv_fds(channel, LARGEST_REQUEST, 3)
        if not request:
            return None
        pid = os.fork()
        if pid == 0:
            channel.close()
            _take(streams)
            asked: dict[str, Any] = json.loads(request)
            return asked
        for stream in streams:
            os.close(stream)
        channel.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def _take(streams: list[int]) -> None:
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)


def _leave(code: int) -> NoReturn:
    """As an interpreter ends, without taking down a thousand modules one by one."""
    threading._shutdown()  # type: ignore[attr-defined]  # what waits for threads, then for atexit
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _run_and_leave(argv: list[str], env: dict[str, str]) -> NoReturn:
    try:
        _run(argv, env)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        _leave(0 if end.code is None else end.code if isinstance(end.code, int) else 1)
    except Exception:  # noqa: BLE001  told as the interpreter tells it
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        _leave(1)
    _leave(0)


def _run(argv: list[str], env: dict[str, str]) -> None:
    """As `python argv…` does."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    if argv[0] == "-c":
        sys.argv = ["-c", *argv[2:]]
        exec(compile(argv[1], "<string>", "exec"), {"__name__": "__main__"})
    elif argv[0] == "-m":
        sys.argv = list(argv[1:])
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(argv)
        runpy.run_path(argv[0], run_name="__main__")


def _import_all(package: str) -> None:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def main() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in WITHOUT_DJANGO:
        _import_all(name)
    gc.freeze()  # a collection in a child would write to, and so copy, all of our memory
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a fork would lose the other threads"
    assert not importlib.import_module("django.conf").settings.configured, "each command reads its own"
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        asked = _serve(channel)
    if asked:
        _run_and_leave(**asked)


if __name__ == "__main__":
    main()
