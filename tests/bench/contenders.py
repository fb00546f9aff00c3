"""The other tools, each asked for the same: 2 processes or threads, zstd level 3, AES-256."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench.child import LEVEL, THREADS
from tests.servers.postgresql import PostgresServer, unprivileged_user


@dataclass(frozen=True)
class Measured:
    """Wall-clock seconds, flushed to disk; bytes as stored; peak memory where it is ours to measure."""

    seconds: float
    stored: int = 0
    peak_memory: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)


class Contender(Protocol):
    name: str
    note: str
    restores: bool

    def prepare(self) -> None: ...

    def backup(self) -> Measured: ...

    def restore(self, target: Path) -> Measured: ...

    def clear(self) -> None:
        """Remove the last backup, so that every run starts alike."""


def tree_bytes(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())


def fresh(folder: Path) -> Path:
    """An empty folder that the server's user may write into."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if user := unprivileged_user():
        shutil.chown(folder, user, user)
    folder.chmod(0o700)
    return folder


def flush(folder: Path) -> None:
    """Everybody's time includes reaching the disk, whether the tool itself asks for that or not."""
    subprocess.run(["sync", "-f", str(folder)], check=True)


def _environment(server: PostgresServer) -> dict[str, str]:
    return {"PATH": f"{server.bin}:/usr/bin:/bin", "PGPASSWORD": server.password, "LC_ALL": "C.UTF-8"}


def pipeline(server: PostgresServer, *commands: Sequence[str | Path], output: Path | None = None) -> None:
    """Run commands joined by pipes, without a shell; every exit code counts."""
    user, processes = unprivileged_user(), []
    previous = None
    with (output or Path(os.devnull)).open("wb") as sink:
        for number, argv in enumerate(commands):
            last = number == len(commands) - 1
            process = subprocess.Popen(
                [str(word) for word in argv], stdin=previous, stdout=sink if last else subprocess.PIPE,
                stderr=subprocess.PIPE, user=user, group=user, env=_environment(server), cwd="/",
            )  # fmt: skip
            if previous:
                previous.close()
            previous = process.stdout
            processes.append(process)
        for process in processes:
            _, said = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{process.args!r} failed: {said.decode(errors='replace')[-2000:]}")


class PgBackRest:
    """`archive-check` and `archive-copy` are off: unlike all others here it stores no log with the backup."""

    name = "pgbackrest"
    note = "process-max 2, zst 3, aes-256-cbc, no archive check and so no log in the backup"
    restores = True

    def __init__(self, server: PostgresServer, folder: Path, *, blocks: bool = False) -> None:
        """`blocks`: bundles and block incremental, which Debian's 2.45 offers as a trial."""
        self.server, self.folder = server, folder
        self.more = "beta=y\nrepo1-bundle=y\nrepo1-block=y\n" if blocks else ""
        if blocks:
            self.note += "; bundles and block incremental on"
        self.repository = folder / "pgbackrest"
        self.configuration = folder / "pgbackrest.conf"

    def prepare(self) -> None:
        (self.folder / "run").mkdir(exist_ok=True)
        if user := unprivileged_user():
            shutil.chown(self.folder / "run", user, user)
        self.configuration.write_text(
            f"[global]\nrepo1-path={self.repository}\nrepo1-cipher-type=aes-256-cbc\n"
            f"repo1-cipher-pass=bench-only-pass\nprocess-max={THREADS}\ncompress-type=zst\n"
            f"compress-level={LEVEL}\nstart-fast=y\narchive-check=n\narchive-copy=n\nlog-level-file=off\n"
            f"lock-path={self.folder}/run\nspool-path={self.folder}/run\nrepo1-retention-full=99\n{self.more}"
            f"[main]\npg1-path={self.server.data}\npg1-port={self.server.port}\n"
            f"pg1-socket-path={self.server.folder}\npg1-user=postgres\n"
        )
        self.configuration.chmod(0o644)
        self.clear()

    def clear(self) -> None:
        fresh(self.repository)
        self._run("stanza-create")

    def backup(self) -> Measured:
        return self._backup("full")

    def incremental(self) -> Measured:
        return self._backup("incr")

    def _backup(self, kind: str) -> Measured:
        before, started = tree_bytes(self.repository), time.monotonic()
        self._run("backup", f"--type={kind}")
        flush(self.folder)
        return Measured(time.monotonic() - started, tree_bytes(self.repository) - before)

    def restore(self, target: Path) -> Measured:
        started = time.monotonic()
        self._run("restore", f"--pg1-path={target}", "--type=none")
        flush(target)
        return Measured(time.monotonic() - started)

    def _run(self, command: str, *options: str) -> None:
        words = ["pgbackrest", f"--config={self.configuration}", "--stanza=main", *options, command]
        pipeline(self.server, words)


class BasebackupPipeline:
    name = "pg_basebackup | zstd | openssl"
    note = "tar stream, zstd -3 -T2, aes-256-ctr without authentication, log included"
    restores = True

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.file = folder / "base.tar.zst.enc"
        self.secret = folder / "passphrase"

    def prepare(self) -> None:
        self.secret.write_text("bench-only-pass\n")
        self.secret.chmod(0o644)
        self.clear()

    def clear(self) -> None:
        self.file.unlink(missing_ok=True)

    def backup(self) -> Measured:
        started = time.monotonic()
        pipeline(
            self.server, _basebackup(self.server),
            ["zstd", f"-{LEVEL}", f"-T{THREADS}", "-q", "-c"], self._openssl(),
            output=self.file,
        )  # fmt: skip
        flush(self.folder)
        return Measured(time.monotonic() - started, self.file.stat().st_size)

    def restore(self, target: Path) -> Measured:
        started = time.monotonic()
        pipeline(
            self.server, ["cat", self.file], [*self._openssl(), "-d"],
            ["zstd", "-d", "-q", "-c"], ["tar", "-xf", "-", "-C", target],
        )  # fmt: skip
        flush(target)
        return Measured(time.monotonic() - started)

    def _openssl(self) -> list[str]:
        return ["openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-pass", f"file:{self.secret}"]


class PlainBasebackup:
    name = "pg_basebackup > /dev/null"
    note = "nothing compressed, encrypted or kept: the floor of any streamed backup"
    restores = False

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server = server

    def prepare(self) -> None: ...

    def clear(self) -> None: ...

    def backup(self) -> Measured:
        started = time.monotonic()
        pipeline(self.server, _basebackup(self.server))
        return Measured(time.monotonic() - started)

    def restore(self, target: Path) -> Measured:
        raise NotImplementedError


def _basebackup(server: PostgresServer) -> list[str | Path]:
    return [
        server.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
        "-D", "-", "-Ft", "-X", "fetch", "-c", "fast", "--no-manifest",
    ]  # fmt: skip
