"""The source every contender copies: a real PostgreSQL 15 with page checksums, at rest, in memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.servers.postgresql import DEBIAN_15, PostgresServer, unprivileged_user

MEGABYTES_PER_SCALE = 15
NOISE_ROWS_PER_SCALE = 14_000
SETTINGS = {
    "fsync": "on",
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "autovacuum": "off",
}
# Half of each row is random bytes, half hexadecimal text: about 1.7 to 1, where pgbench is about 16 to 1.
NOISE = """
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE TABLE noise AS
SELECT n AS id, gen_random_bytes(512) AS bytes, encode(gen_random_bytes(256), 'hex') AS text
FROM generate_series(1, {rows}) n;
ALTER TABLE noise ADD PRIMARY KEY (id);
"""
DATASETS = ("pgbench", "noise")


def new_cluster(folder: Path, dataset: str, scale: int) -> PostgresServer:
    """A running cluster with about `scale` x 15 MB of `dataset`, checkpointed, its files in page cache."""
    server = PostgresServer(DEBIAN_15, folder, settings=SETTINGS).create().start()
    if dataset == "pgbench":
        pgbench(server, "-i", "-q", "-s", str(scale))
    else:
        with server.connect() as connection:
            connection.execute(NOISE.format(rows=NOISE_ROWS_PER_SCALE * scale))
    with server.connect() as connection:
        connection.execute("VACUUM (FREEZE)")
    checkpoint(server)
    for file in server.data.rglob("*"):
        if file.is_file():
            _read_through(file)
    return server


def size_of(server: PostgresServer) -> int:
    """Bytes of all databases."""
    with server.connect() as connection:
        row = connection.execute("SELECT sum(pg_database_size(oid))::bigint FROM pg_database").fetchone()
    assert row is not None
    return int(row[0])


def pgbench(server: PostgresServer, *argv: str) -> str:
    """Run pgbench to its end; what it printed."""
    user = unprivileged_user()
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": server.password, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        server.pgbench(*argv), check=True, capture_output=True, text=True, user=user, group=user,
        env=environment, cwd="/",
    ).stdout  # fmt: skip


def checkpoint(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute("CHECKPOINT")


def _read_through(file: Path) -> None:
    with file.open("rb", buffering=0) as source:
        while source.read(1 << 20):
            pass
