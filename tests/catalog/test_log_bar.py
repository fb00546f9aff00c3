"""The bar: a server under full load dies with its data directory, and ten seconds of commits are the most
that is lost. The rows prove it, replayed by the server's own programs.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from datetime import datetime

import psycopg
import pytest

from tests.catalog.collecting import asked, collector, pgbench, revive, rows, streaming
from tests.servers.postgresql import PostgresServer

SECONDS = 20
BAR = 10.0


class Witness(threading.Thread):
    """One row every 50 ms with the server's clock; `newest` is the last one that was acknowledged."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(daemon=True)
        self.server, self.newest, self.count = server, None, 0

    def run(self) -> None:
        try:
            with self.server.connect() as connection:
                while True:
                    row = connection.execute(
                        "INSERT INTO witness (at) VALUES (clock_timestamp()) RETURNING at"
                    ).fetchone()
                    self.newest, self.count = row[0], self.count + 1
                    time.sleep(0.05)
        except psycopg.Error:
            return


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_lost_server_costs(installation, make_postgres, workdir):
    server = make_postgres()
    installation.add_repository()
    installation.add_instance(server)
    installation.answer("stream_logs", "orders", "on")
    pgbench(server, "-i", "-q", "-s", "5")
    with server.connect() as connection:
        connection.execute("CREATE TABLE witness (n serial PRIMARY KEY, at timestamptz NOT NULL)")
    with collector(installation) as process:
        streaming(installation)
        installation.answer("backup", "orders")
        witness = Witness(server)
        load = subprocess.Popen(
            server.pgbench("-c", "4", "-j", "2", "-T", str(SECONDS * 3)),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PGPASSWORD": server.password, "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        witness.start()
        time.sleep(SECONDS)
        server.kill()
        shutil.rmtree(server.data)
        witness.join(timeout=30)
        load.wait(timeout=60)
        crashed: datetime = witness.newest
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert witness.count > 20
    backup = rows(installation, "SELECT backup_id FROM catalog_backup")[0]["backup_id"]
    like = make_postgres(start=False)
    revived = revive(installation, backup, like, workdir / "after-the-crash")
    try:
        newest = asked(revived, "SELECT max(at) FROM witness")
        kept = asked(revived, "SELECT count(*) FROM witness")
        assert kept == asked(revived, "SELECT max(n) FROM witness"), "a row in between is missing"
        lost = (crashed - newest).total_seconds()
        print(f"lost {lost:.3f} s: {witness.count - kept} of {witness.count} witnesses")
        assert lost <= BAR
        tellers = asked(revived, "SELECT sum(tbalance) FROM pgbench_tellers")
        assert tellers == asked(revived, "SELECT sum(delta) FROM pgbench_history")
    finally:
        revived.stop()
