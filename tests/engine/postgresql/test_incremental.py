"""Differential and incremental backups of real servers: what they hold, and what they build on."""

from __future__ import annotations

import subprocess

from dataprotect.engine.backup import take_backup
from dataprotect.engine.model import BackupResult, Reader
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.engine.postgresql.test_backup_content import check_pages
from tests.servers.postgresql import PostgresServer


def take(
    bench: Bench, server: PostgresServer, reader: Reader, type: str = "full", base: str = "", **more: object
) -> BackupResult:
    request = bench.request(server, reader, type=type, base_id=base, **more)
    return take_backup(request, bench.repository)


def pgbench(server: PostgresServer, *argv: str) -> None:
    subprocess.run(
        server.pgbench(*argv), env={"PGPASSWORD": server.password}, check=True, capture_output=True
    )  # fmt: skip


def test_only_changed_pages_are_stored(make_postgres, bench: Bench, reader: Reader) -> None:
    server: PostgresServer = make_postgres()
    pgbench(server, "-i", "-q", "-s", "3")
    full = take(bench, server, reader)
    pgbench(server, "-n", "-t", "200")
    with server.connect() as connection:
        connection.execute("CHECKPOINT")
    changed = take(bench, server, reader, "incremental", full.backup_id)
    assert (changed.type, changed.base_id, changed.type_reason) == ("incremental", full.backup_id, "")
    assert changed.bytes_stored < full.bytes_stored / 3
    seal = bench.repository.seal(INSTANCE, changed.backup_id)
    assert seal.parents == (full.backup_id,)
    assert not bench.repository.read(INSTANCE, changed.backup_id).verify_decode()
    clone = bench.bring_up(changed, server)
    query = "SELECT count(*), sum(abalance), sum(hashtext(a::text)::bigint) FROM pgbench_accounts a"
    with server.connect() as source, clone.connect() as restored:
        assert restored.execute(query).fetchone() == source.execute(query).fetchone()
    check_pages(clone)
