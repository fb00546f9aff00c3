"""Rows as witnesses: a clone of any instant holds exactly what had been committed by then.

The rule at the boundary: recovery to an instant keeps every transaction that comes before the first one in
the log whose commit time is later. Commit times are taken a moment before the commit is written, so two
sessions may write theirs in the other order; only there, within microseconds, "by time" and "by log" differ.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest

from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import Target
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.engine.postgresql.pitr.streamed import Streamed, streaming
from tests.engine.postgresql.protected import inside, pgbench_environment, run_pgbench
from tests.servers.postgresql import PostgresServer

TABLE = "CREATE TABLE witness (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now())"
COMMITTED = "SELECT id, pg_xact_commit_timestamp(xmin) FROM witness ORDER BY id"
LOAD_SECONDS = 16
INSTANTS = 20
APART = timedelta(milliseconds=5)
MakePostgres = Callable[..., PostgresServer]


@contextmanager
def load(server: PostgresServer) -> Iterator[None]:
    """pgbench at full speed with one client, and a row of its own every 50 ms."""
    stop = threading.Event()

    def witness() -> None:
        with server.connect() as connection:
            while not stop.wait(0.05):
                connection.execute("INSERT INTO witness DEFAULT VALUES")

    process = subprocess.Popen(
        server.pgbench("-c", "1", "-T", "600"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=pgbench_environment(server),
    )  # fmt: skip
    thread = threading.Thread(target=witness)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_twenty_random_instants_hold_exactly_the_rows_committed_by_then(
    make_postgres: MakePostgres, bench: Bench
) -> None:
    server = make_postgres(version=15, settings={"track_commit_timestamp": "on", "autovacuum": "off"})
    run_pgbench(server, "-i", "-q", "-s", "1")
    with server.connect() as connection:
        connection.execute(TABLE)
    with streaming(server, bench) as streamed:
        bench.back_up(server, backup_id="first")
        with load(server):
            time.sleep(LOAD_SECONDS / 2)
            bench.back_up(server, backup_id="second")
            time.sleep(LOAD_SECONDS / 2)
        streamed.settle()
        check(streamed)


def check(streamed: Streamed) -> None:
    with streamed.server.connect() as connection:
        rows = connection.execute(COMMITTED).fetchall()
    assert len(rows) > LOAD_SECONDS * 10
    picked = random.Random(7)
    known = StoredTimeline(streamed.bench.repository, INSTANCE)
    first = recovery_windows(known.sample()).windows[0].start_at
    pairs = [pair for pair in pairwise(rows) if pair[0][1] > first and pair[1][1] - pair[0][1] > 3 * APART]
    bases = set()
    for before, after in picked.sample(pairs, INSTANTS):
        at = before[1] + APART + (after[1] - before[1] - 2 * APART) * picked.random()
        choice = known.choose(Target("time", at=at))
        bases.add(choice.base.backup_id)
        with streamed.clone(choice) as made, inside(made) as connection:
            held = connection.execute("SELECT id FROM witness ORDER BY id").fetchall()
            assert [row[0] for row in held] == [row[0] for row in rows if row[1] <= at], at
            assert made.reached_at is not None and made.reached_at <= at
    assert bases == {"first", "second"}
