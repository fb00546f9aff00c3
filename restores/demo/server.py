"""The throwaway PostgreSQL: made once, started as a child, stopped with the demo."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.engine import command
from restores.demo.places import Place

if TYPE_CHECKING:
    import subprocess

START_SECONDS = 30.0
SUPERUSER = "postgres"
CONFIGURATION = """
# The demo's own settings
listen_addresses = '127.0.0.1'
unix_socket_directories = '{sockets}'
wal_level = replica
max_wal_senders = 10
max_slot_wal_keep_size = 2GB
max_connections = 60
shared_buffers = 128MB
log_min_messages = warning
"""


class DemoServer:
    """PostgreSQL in `place`. `port` is kept between runs as long as it stays free."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.binaries = _newest_binaries()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_complete(self) -> bool:
        """True when an earlier run filled it to the end with what this version of the demo fills in."""
        return (self.place.folder / "complete").exists() and (self.place.data / "PG_VERSION").exists()

    def mark_complete(self) -> None:
        (self.place.folder / "complete").touch(mode=0o600)

    @property
    def superuser_password(self) -> Secret:
        return Secret((self.place.folder / "superuser").read_text().strip())

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def create(self) -> None:
        """An empty cluster with page checksums; whatever was here before is removed."""
        self.stop_leftover()
        for folder in (self.place.data, self.place.tablespace):
            _empty(folder)
        (self.place.folder / "complete").unlink(missing_ok=True)
        secret = self._write_superuser_password()
        command.run(
            [self.binaries / "initdb", "-D", self.place.data, "-U", SUPERUSER, "-A", "scram-sha-256",
             "--data-checksums", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", f"--pwfile={secret}"],
            account=self.place.account, cwd=self.place.folder,
        )  # fmt: skip
        configuration = CONFIGURATION.format(sockets=self.place.sockets)
        with (self.place.data / "postgresql.conf").open("a") as conf:
            conf.write(configuration)

    def start(self) -> None:
        """Start it on the port of the last run, or on another free one. Raises `demo.server`."""
        self.stop_leftover()
        self.port = self._choose_port()
        # The kernel stops the server (fast shutdown) should the demo itself be killed.
        self._process = command.background(
            ["setpriv", "--pdeathsig", "INT", str(self.binaries / "postgres"),
             "-D", str(self.place.data), "-p", str(self.port)],
            account=self.place.account, cwd=self.place.folder, log=self.place.logs / "postgresql.log",
        )  # fmt: skip
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Fast shutdown by its own process id; killed when it does not end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # TERM, which end_group sends, waits for clients
        command.end_group(self._process, grace=20)
        self._process = None

    def stop_leftover(self) -> None:
        """End the server of an earlier demo that was killed, and forget its lock file."""
        lock = self.place.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(lock.read_text().split()[0])
            if _works_in(pid, self.place.data):
                _end_foreign(pid)
            lock.unlink()

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, password=self.superuser_password.reveal(),
            dbname=database, autocommit=True, connect_timeout=5, application_name="dataprotect demo",
        )  # fmt: skip

    def system_identifier(self) -> str:
        with self.connect() as connection:
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        return str(row[0]) if row else ""

    def version(self) -> str:
        with self.connect() as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0] if row else ""

    def password_file(self) -> Path:
        """A pgpass file for programs such as pgbench, readable by the server's user alone."""
        file = self.place.folder / "pgpass"
        self.write_private(file, f"127.0.0.1:*:*:{SUPERUSER}:{self.superuser_password.reveal()}\n")
        return file

    def _write_superuser_password(self) -> Path:
        file = self.place.folder / "superuser"
        self.write_private(file, secrets.token_urlsafe(24) + "\n")
        return file

    def write_private(self, file: Path, text: str) -> None:
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
        os.chown(file, self.place.account.uid, self.place.account.gid)

    def _choose_port(self) -> int:
        record = self.place.folder / "port"
        try:
            wanted = int(record.read_text())
        except (FileNotFoundError, ValueError):
            wanted = 0
        port = free_port(wanted)
        record.write_text(str(port))
        return port

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.is_running:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise ForeseenError(
            "demo.server",
            f"The demo's PostgreSQL did not start: {self._last_words()}",
            f"Read {self.place.logs / 'postgresql.log'}, or remove {self.place.folder} and run it again.",
        )

    def _last_words(self) -> str:
        log = self.place.logs / "postgresql.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return lines[-1] if lines else "it said nothing"


def free_port(wanted: int = 0) -> int:
    """`wanted` when nobody listens there on loopback, else one the kernel picks."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ForeseenError("demo.port", "No free port was found on 127.0.0.1.", "Stop something that listens.")


def _newest_binaries() -> Path:
    """The folder of the newest PostgreSQL server on this machine, 15 or later. Raises `demo.binaries`."""
    found = {
        int(match[1]): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (match := re.fullmatch(r"(\d+)", folder.parent.name)) and (folder / "initdb").exists()
    }
    if not found and (initdb := shutil.which("initdb")):
        return Path(initdb).resolve().parent
    if not found or max(found) < 15:
        raise ForeseenError(
            "demo.binaries",
            "No PostgreSQL server of version 15 or later is installed here.",
            "Run: make setup",
        )
    return found[max(found)]


def _empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.exists() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def _end_foreign(pid: int) -> None:
    """Fast shutdown of a process that is not our child, then a kill; returns when it is gone."""
    for number, patience in ((signal.SIGINT, 15.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
