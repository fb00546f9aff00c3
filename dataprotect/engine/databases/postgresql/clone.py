"""Start a restored PostgreSQL as a clone: unprivileged, on a private socket, without a network, and
nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import command
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import clone_settings, lsn, recovery_reached
from dataprotect.engine.databases.postgresql.binaries import Binaries
from dataprotect.engine.databases.postgresql.clone_settings import PORT
from dataprotect.engine.databases.postgresql.recovery import RecoveryTarget
from dataprotect.engine.databases.postgresql.recovery_reached import LARGEST_HEADER, Reached

LOG_LINES = 25
_POLL_SECONDS = 0.1
CLIENT_OPTIONS = (
    "-c session_preload_libraries= -c local_preload_libraries= -c default_transaction_read_only=off"
)
"""Database and role settings of the source must not keep us out."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything `start` needs. `superuser` is the bootstrap one's name on the source."""

    binaries: Binaries
    account: Account
    data: Path
    log: Path
    socket_directory: Path
    superuser: str
    database: str
    target: RecoveryTarget

    @property
    def dsn(self) -> str:
        return make_conninfo(
            host=str(self.socket_directory), port=PORT, user=self.superuser, dbname=self.database
        )


def configure(clone: Settled, server: Mapping[str, Any]) -> tuple[dict[str, bytes], list[str]]:
    """The clone's own files by name, and sentences about what it does without."""
    library_folder = clone.binaries.library_folder()
    preload, notes = clone_settings.libraries(server.get("preload_libraries", ()), library_folder)
    text = clone_settings.configuration(
        major=clone.binaries.major,
        socket_directory=clone.socket_directory,
        target=clone.target,
        preload=preload,
        control=control_data(clone.binaries, clone.account, clone.data),
        settings=server.get("settings", {}),
    )
    files = {
        "postgresql.conf": text.encode(),
        "postgresql.auto.conf": b"",
        "pg_hba.conf": clone_settings.HBA.encode(),
        "pg_ident.conf": b"",
        "recovery.signal": b"",
    }
    return files, notes


def control_data(binaries: Binaries, account: Account, data: Path) -> dict[str, str]:
    """What pg_controldata says, by label."""
    said = command.run([binaries.path("pg_controldata"), "-D", data], account=account, timeout=60).stdout
    pairs = (line.partition(":") for line in said.splitlines())
    return {label.strip(): value.strip() for label, _, value in pairs}


def start(clone: Settled) -> subprocess.Popen[bytes]:
    """Start the server process, in a network namespace of its own where we may make one."""
    argv: list[str | Path] = [clone.binaries.path("postgres"), "-D", clone.data]
    account: Account | None = clone.account
    if fenced_off(clone.account):
        who = ["--setgid", str(clone.account.gid), "--setuid", str(clone.account.uid)]
        argv, account = ["unshare", "--net", *who, "--", *argv], None
    if clone.log.exists():
        clone.log.unlink()
    return command.background(argv, account=account, log=clone.log, cwd=clone.log.parent)


@lru_cache(maxsize=4)
def fenced_off(account: Account) -> bool:
    """Whether servers of this account can be given a network namespace of their own."""
    if os.geteuid() != 0 or account.uid == 0 or shutil.which("unshare") is None:
        return False
    try:
        command.run(
            [
                "unshare",
                "--net",
                "--setgid",
                str(account.gid),
                "--setuid",
                str(account.uid),
                "--",
                "/bin/true",
            ],
            timeout=10,
        )
    except ForeseenError:
        return False
    return True


def wait_until_ready(
    clone: Settled,
    process: subprocess.Popen[bytes],
    timeout: float,
    reporter: Reporter,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Return when it has recovered, promoted and answers. Raises with the end of its log when it ends
    instead; `watch` may raise what it waits for in vain.
    """
    deadline = time.monotonic() + timeout
    while True:
        reporter.checkpoint()
        try:
            connect(clone.dsn).close()
            return
        except psycopg.Error as error:
            said = str(error)
        watch()
        if process.poll() is not None:
            raise _failed(clone, f"ended with exit code {process.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise _failed(clone, f"was not ready after {timeout:.0f} s ({' '.join(said.split())[:200]})")
        time.sleep(_POLL_SECONDS)


def connect(dsn: str, database: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
    """An autocommit connection to a clone, whatever the source's databases and roles prescribe."""
    extra: dict[str, Any] = {"dbname": database} if database else {}
    return psycopg.connect(
        dsn, autocommit=True, connect_timeout=10, options=CLIENT_OPTIONS, application_name="dataprotect",
        client_encoding="UTF8", passfile="/nonexistent", **extra,
    )  # fmt: skip


def reached(clone: Settled) -> str:
    """The position at which the clone left its source's history. Raises when it is not the target."""
    with connect(clone.dsn) as connection:
        row = connection.execute("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").fetchone()
    assert row is not None  # noqa: S101
    found = recovery_reached.of_history(clone.data, str(row[0]))
    position, reason = found.position, found.reason
    wanted = clone.target.position
    if wanted is not None:
        # The position asked for may lie behind the header of a page; the last record ends before that.
        short = lsn.parse(wanted) - lsn.parse(position)
        if not (0 <= short <= LARGEST_HEADER and reason.startswith("before LSN")):
            raise _failed(clone, f"recovered to {position} ({reason}), not to {wanted}")
    return position


def reached_at_last(clone: Settled) -> Reached:
    """Where and why its recovery ended, and the last transaction it replayed."""
    with connect(clone.dsn) as connection:
        row = connection.execute(
            "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), pg_last_xact_replay_timestamp()"
        ).fetchone()
    assert row is not None  # noqa: S101
    return replace(recovery_reached.of_history(clone.data, str(row[0])), at=row[1])


def log_tail(log: Path, lines: int = LOG_LINES) -> str:
    """The last lines of the clone's log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _failed(clone: Settled, what: str) -> ForeseenError:
    tail = log_tail(clone.log) or "(its log is empty)"
    return ForeseenError(
        "clone.not_started",
        f"The clone {what}. The end of its log:\n{tail}",
        "Read the log above for the cause: a missing library or locale, too little memory, or a "
        "damaged backup.",
    )
