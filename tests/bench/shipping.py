"""How far behind the log stream is while pgbench writes on the same cores, and what it costs."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository
from tests.bench.cluster import new_cluster, pgbench
from tests.bench.ours import ROOT, child_environment, spool
from tests.servers.postgresql import PostgresServer

SEGMENT = 16 << 20


def measure(folder: Path, seconds: int, scale: int) -> dict[str, Any]:
    """`seconds` of pgbench without a stream and as many with one."""
    server = new_cluster(folder / "server", "pgbench", scale)
    try:
        alone = _load(server, seconds)
        stream = _start(server, folder)
        try:
            first = _position(server)
            shipped = _load(server, seconds)
            written = _position(server) - first
            answer, said = stream.communicate(timeout=400)
        finally:
            stream.kill()
            stream.wait()
        if stream.returncode:
            raise RuntimeError(f"the log stream failed:\n{said[-4000:]}")
        return _figures(json.loads(answer.splitlines()[-1]), seconds, written) | {
            "transactions_per_second": {"without the stream": alone, "with it": shipped}
        }
    finally:
        server.stop()
        shutil.rmtree(folder / "server", ignore_errors=True)


def _figures(said: dict[str, Any], seconds: int, written: int) -> dict[str, Any]:
    behind = [max(0, each) / SEGMENT for each in said["behind_bytes"]]
    return {
        "load_seconds": seconds,
        "log_bytes_per_second": round(written / seconds),
        "stored_bytes": said["stored_bytes"],
        "segments_behind_median": round(statistics.median(behind), 2),
        "segments_behind_most": round(max(behind), 2),
        "exposure_most": round(max(said["exposure_seconds"], default=0.0), 2),
        "catch_up_seconds": said["catch_up_seconds"],
        "cpu_share_of_one_core": round(said["cpu_seconds"] / seconds, 3),
    }


def _start(server: PostgresServer, folder: Path) -> subprocess.Popen[str]:
    """The stream, as soon as the server sends to it."""
    password, key = folder / "password", folder / "log-key" / "keyring.json"
    password.write_text(server.password)
    repository = folder / "log-repository"
    Repository.initialise(repository.as_uri(), LocalKeyring.create(key))
    job = {
        "repository": repository.as_uri(), "key": str(key), "port": server.port,
        "password": str(password), "spool": str(spool(folder)),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.streaming", json.dumps(job)],
        cwd=ROOT, env=child_environment(folder), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    if process.stdout.readline().strip() != "started":
        raise RuntimeError(f"the log stream did not start:\n{process.communicate()[1][-4000:]}")
    return process


def _load(server: PostgresServer, seconds: int) -> float:
    """Transactions per second of four clients that wait for nothing but the server."""
    said = pgbench(server, "-c", "4", "-j", "2", "-T", str(seconds), "-N")
    found = re.search(r"tps = ([0-9.]+)", said)
    assert found is not None, said
    return round(float(found[1]), 1)


def _position(server: PostgresServer) -> int:
    with server.connect() as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn() - '0/0'").fetchone()
    assert row is not None
    return int(row[0])
