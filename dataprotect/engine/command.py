"""The only door to subprocesses: argument lists, a clean environment, bounded output, checked exit codes.

There is no shell here and no secret: passwords go through a 0600 file or a trusted socket, never through
`argv` or the environment, where `ps` and `/proc` would show them.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter, Silent

BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
ALLOWED_ENVIRONMENT = frozenset(
    {
        "PATH", "LC_ALL", "TZ", "HOME", "LD_LIBRARY_PATH",
        "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSFILE", "PGAPPNAME", "PGOPTIONS",
        "PGCONNECT_TIMEOUT", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGTZ", "PGDATA",
    }
)  # fmt: skip
"""What a child may be told. PGPASSWORD and everything inherited from the worker stay out."""

CAPTURED_BYTES = 1 << 20
GRACE_SECONDS = 10.0
_LOOK_EVERY = 0.2
Word = str | Path


class CommandFailed(ForeseenError):
    """The program ended with an exit code that was not accepted; `stderr` is the end of what it said."""

    def __init__(self, program: str, exit_code: int, stderr: str) -> None:
        said = _last_lines(stderr) or "it said nothing"
        super().__init__(
            "command.failed",
            f"{program} ended with exit code {exit_code}: {said}",
            "Read its message above and correct the cause, then run it again.",
        )
        self.exit_code = exit_code
        self.stderr = stderr


class CommandTimeout(ForeseenError):
    def __init__(self, program: str, seconds: float) -> None:
        super().__init__(
            "command.timeout",
            f"{program} did not finish within {seconds:g} s and was ended.",
            "Find out what it waited for, or allow it more time.",
            retry=True,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a child runs as. `uid` and `gid` are this process's own when nothing is dropped."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class Result:
    """stdout and stderr are UTF-8 with replacement, at most the last `limit` bytes of each."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool


def own_account() -> Account:
    entry = pwd.getpwuid(os.geteuid())
    return Account(entry.pw_name, os.geteuid(), os.getegid(), entry.pw_dir)


def unprivileged_account(user: str = "postgres") -> Account:
    """Whom database servers run as: `user` when we are root (they refuse root), ourselves otherwise.

    Raises ForeseenError `account.missing` when we are root and there is no such user.
    """
    if os.geteuid() != 0:
        return own_account()
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ForeseenError(
            "account.missing",
            f"The database server must not run as root, and this machine has no user {user!r} to run it.",
            f"Create it (`useradd --system {user}`) or name another unprivileged user in the settings.",
        ) from None
    if entry.pw_uid == 0:
        raise ForeseenError(
            "account.missing",
            f"The user {user!r} is root under another name; the database server refuses to run as root.",
            "Name an unprivileged user in the settings.",
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def run(
    argv: Sequence[Word],
    *,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    reporter: Reporter | None = None,
    accept: Collection[int] = (0,),
    on_line: Callable[[str], None] | None = None,
    limit: int = CAPTURED_BYTES,
) -> Result:
    """Run one program to its end and return what it said.

    on_line   receives each line of stdout as it comes (from a reader thread) instead of capturing it
    reporter  its checkpoint is asked five times a second; whatever it raises ends the whole process group
    Raises CommandFailed for an exit code outside `accept`, CommandTimeout, `command.missing`.
    """
    started = time.monotonic()
    process = _spawn(
        argv, account, env, cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None  # noqa: S101
    out = _LineReader(process.stdout, on_line) if on_line else _TailReader(process.stdout, limit)
    err = _TailReader(process.stderr, limit)
    try:
        _wait(process, argv, timeout, reporter or Silent(), (out, err))
    except BaseException:
        end_group(process)
        raise
    finally:
        for reader in (out, err):
            reader.join(GRACE_SECONDS)
        process.stdout.close()
        process.stderr.close()
    if out.failure:
        raise out.failure
    result = Result(
        process.returncode, out.text(), err.text(), time.monotonic() - started, out.truncated or err.truncated
    )
    if result.exit_code not in accept:
        raise CommandFailed(Path(argv[0]).name, result.exit_code, result.stderr or result.stdout)
    return result


def background(
    argv: Sequence[Word],
    *,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path,
    own_program: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, its output appended to `log` (0600). The caller ends it.

    own_program  it is DataProtect itself (web, workers): it needs the settings in our own environment
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if account and os.geteuid() == 0:
            os.fchown(descriptor, account.uid, account.gid)
        return _spawn(
            argv, account, env, cwd, own_program,
            stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.STDOUT,
        )  # fmt: skip
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def companion(account: Account | None = None) -> Iterator[int]:
    """The id of a process of `account` that does nothing, lives in this context, and ends when we die."""
    process = _spawn(
        ["/bin/cat"], account, None, None,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None  # noqa: S101
    try:
        yield process.pid
    finally:
        process.stdin.close()
        end_group(process)


def end_group(process: subprocess.Popen[bytes], grace: float | None = None) -> None:
    """TERM, then KILL, to everything in the process's own group; returns when the process is reaped."""
    gentle = GRACE_SECONDS if grace is None else grace
    for number, patience in ((signal.SIGTERM, gentle), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """The clean environment of a child. Raises ValueError for a name outside the allow-list."""
    refused = set(extra or {}) - ALLOWED_ENVIRONMENT
    if refused:
        raise ValueError(f"not allowed in a child's environment: {', '.join(sorted(refused))}")
    return BASE_ENVIRONMENT | dict(extra or {})


def _spawn(
    argv: Sequence[Word],
    account: Account | None,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    own_program: bool = False,
    **streams: Any,
) -> subprocess.Popen[bytes]:
    words = [str(word) for word in argv]
    drop: dict[str, Any] = {}
    if account and os.geteuid() == 0 and account.uid != 0:
        drop = {"user": account.uid, "group": account.gid, "extra_groups": _groups_of(account)}
    try:
        return subprocess.Popen(
            words,
            env=os.environ | dict(env or {}) if own_program else environment(env),
            cwd=cwd or "/",
            start_new_session=True,
            umask=0o077,
            **streams,
            **drop,
        )
    except FileNotFoundError as error:
        if error.filename != words[0]:
            raise
        raise ForeseenError(
            "command.missing",
            f"The program {words[0]} is not on this machine.",
            "Install it, or correct its path.",
        ) from None
    except PermissionError:
        raise ForeseenError(
            "command.refused",
            f"The program {words[0]} may not be run by {account.name if account else 'this user'}.",
            "Make it, and every folder above it, reachable for that user.",
        ) from None


def _groups_of(account: Account) -> list[int]:
    """The supplementary groups `account` has by itself (ssl-cert and the like), never those of root."""
    return [entry.gr_gid for entry in grp.getgrall() if account.name in entry.gr_mem]


def _wait(
    process: subprocess.Popen[bytes],
    argv: Sequence[Word],
    timeout: float | None,
    reporter: Reporter,
    readers: tuple[_Reader, ...],
) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    with _watched(process) as ended:
        while not ended(_LOOK_EVERY):
            reporter.checkpoint()
            if any(reader.failure for reader in readers):
                end_group(process)
                return
            if timeout is not None and deadline is not None and time.monotonic() > deadline:
                raise CommandTimeout(Path(argv[0]).name, timeout)


@contextlib.contextmanager
def _watched(process: subprocess.Popen[bytes]) -> Iterator[Callable[[float], bool]]:
    """Tells whether the process ended within so many seconds, and reaps it. Popen.wait with a timeout looks
    now and then and is up to 50 ms late; most programs that run here take less than that.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # an older kernel, or a sandbox that does not know it
        yield lambda seconds: _ended(process, seconds)
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        yield lambda seconds: bool(poll.poll(seconds * 1000)) and _ended(process, None)
    finally:
        os.close(descriptor)


def _ended(process: subprocess.Popen[bytes], seconds: float | None) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


class _Reader(threading.Thread):
    """Drains one pipe so that the child never blocks on a full one."""

    truncated = False
    failure: BaseException | None = None

    def text(self) -> str:
        return ""


class _TailReader(_Reader):
    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._limit, self._kept = pipe, limit, bytearray()
        self.start()

    def run(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            while block := self._pipe.read1(65536):  # type: ignore[attr-defined]
                self._kept += block
                if len(self._kept) > self._limit:
                    del self._kept[: len(self._kept) - self._limit]
                    self.truncated = True

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


class _LineReader(_Reader):
    def __init__(self, pipe: IO[bytes], on_line: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self._pipe, self._on_line = pipe, on_line
        self.start()

    def run(self) -> None:
        try:
            for line in self._pipe:
                self._on_line(line.decode("utf-8", "replace").rstrip("\n"))
        except BaseException as error:  # noqa: BLE001  carried to the caller's thread
            self.failure = error


def _last_lines(text: str, lines: int = 5, characters: int = 800) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-lines:])[-characters:]
