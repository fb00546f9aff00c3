"""Collectors of a whole installation, and a stored log brought back to life by the server's own programs."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.logs import LogReader
from dataprotect.storage.repository import Repository
from tests.catalog.installation import ROOT, Installation
from tests.engine.postgresql.restored import _hand_over, restore, start
from tests.servers.postgresql import PostgresServer

QUICK = {"LOG_SLICE_SECONDS": "1", "LOG_HEARTBEAT_SECONDS": "1", "LOG_LEASE_SECONDS": "4"}


@contextmanager
def collector(installation: Installation, *more: str, name: str = "a") -> Iterator[subprocess.Popen[str]]:
    """A running `collect_logs`; killed afterwards if it still runs."""
    with (installation.home / f"collector-{name}.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py",
             "collect_logs", *more],
            cwd=ROOT, env=installation.env(), stdout=out, stderr=out, text=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)


def until(question: Callable[[], Any], seconds: float = 90.0, pause: float = 0.5) -> Any:
    """What `question` answers once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s: {answer!r}"
        time.sleep(pause)


def rows(installation: Installation, query: str) -> list[dict[str, Any]]:
    """Straight from the catalog's file: starting Django takes seconds on a busy machine."""
    with closing(
        sqlite3.connect(f"file:{installation.home}/db.sqlite3?mode=ro", uri=True, timeout=30)
    ) as catalog:
        catalog.row_factory = sqlite3.Row
        return [dict(row) for row in catalog.execute(query)]


def count(installation: Installation, table: str, where: str = "1") -> int:
    found = rows(installation, f"SELECT count(*) AS n FROM {table} WHERE {where}")
    return int(found[0]["n"])


def state_of(installation: Installation) -> dict[str, Any]:
    """The collector's row of the only instance."""
    found = rows(installation, "SELECT * FROM catalog_logcollector")
    return found[0] if found else {}


def streaming(installation: Installation) -> None:
    until(lambda: state_of(installation).get("state") == "streaming")


def position(server: PostgresServer) -> int:
    with server.connect() as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])


def number(text: str) -> int:
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16) if low else 0


def stored_past(installation: Installation, place: int) -> None:
    """Wait until the repository holds the log up to `place`, by its row."""
    until(lambda: number(state_of(installation).get("shipped_position") or "") >= place)


def open_stored(installation: Installation, *, write: bool = False) -> Repository:
    keyring = LocalKeyring.load(installation.home / "keys" / "keyring.json")
    return Repository.open(str(installation.repository), keyring, write=write)


def identifier(installation: Installation) -> str:
    return str(rows(installation, "SELECT identifier FROM catalog_instance")[0]["identifier"])


def revive(
    installation: Installation, backup_id: str, like: PostgresServer, to: Path, timeline: str = "latest"
) -> PostgresServer:
    """The backup in a new folder, every stored segment and history in its pg_wal, recovered to the end of the
    log by PostgreSQL alone.
    """
    stored, instance = open_stored(installation), identifier(installation)
    server, _ = restore(stored, instance, backup_id, like, to)
    wal = server.data / "pg_wal"
    reader = LogReader(stored, instance)
    for item in reader.objects():
        if item.kind == "history":
            (wal / f"{item.timeline:08X}.history").write_bytes(reader.content(item))
        elif not (wal / item.segment).exists() or item.kind == "wal":
            (wal / item.segment).unlink(missing_ok=True)
            try:
                reader.fetch(item.segment, wal / item.segment)
            except ForeseenError as error:
                assert error.code == "logs.missing", error
    complete_from_slices(reader, wal)
    (server.data / "recovery.signal").touch()
    with (server.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"restore_command = '/bin/false'\nrecovery_target_timeline = '{timeline}'\n")
    _hand_over(to)
    start(server)
    until(lambda: not asked(server, "SELECT pg_is_in_recovery()"), seconds=120)
    return server


def complete_from_slices(reader: LogReader, wal: Path) -> None:
    """A segment that the backup holds too may reach further in the stored log."""
    for segment in {item.segment for item in reader.objects() if item.kind == "slice"}:
        fresh = wal / f"{segment}.new"
        try:
            reader.fetch(segment, fresh)
        except ForeseenError as error:
            assert error.code == "logs.missing", error
            continue
        fresh.replace(wal / segment)


def asked(server: PostgresServer, query: str) -> Any:
    try:
        with server.connect() as connection:
            row = connection.execute(query.encode()).fetchone()
    except psycopg.OperationalError:
        return None
    return row[0] if row else None


def pgbench(server: PostgresServer, *argv: str) -> None:
    subprocess.run(
        server.pgbench(*argv), check=True, capture_output=True,
        env={"PGPASSWORD": server.password, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
