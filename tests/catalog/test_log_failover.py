"""A standby is promoted, a server is put back: the chain goes on where it can, and says where it cannot."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.catalog.collecting import (
    QUICK,
    asked,
    collector,
    count,
    pgbench,
    position,
    revive,
    rows,
    state_of,
    stored_past,
    streaming,
    until,
)
from tests.servers.postgresql import PostgresServer, free_port


@pytest.fixture
def protected(installation, make_postgres):
    server = make_postgres()
    installation.environment |= QUICK
    installation.add_repository()
    installation.add_instance(server)
    installation.answer("stream_logs", "orders", "on")
    return server


def standby_of(server: PostgresServer, folder) -> PostgresServer:
    """A streaming standby made by pg_basebackup, running."""
    standby = PostgresServer(server.bin, folder, password=server.password)
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    server.run(
        server.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-D",
        standby.data, "-R", "-X", "stream", "-c", "fast",
    )  # fmt: skip
    standby.port = free_port()
    with (standby.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {standby.port}\nunix_socket_directories = '{folder}'\n")
    return standby.start()


def test_a_promoted_standby_continues_the_chain(installation, protected, workdir):
    standby = standby_of(protected, workdir / "standby")
    try:
        with collector(installation):
            streaming(installation)
            installation.answer("backup", "orders")
            with protected.connect() as connection:
                connection.execute("CREATE TABLE told (word text)")
                connection.execute("INSERT INTO told VALUES ('before')")
            pgbench(protected, "-i", "-q", "-s", "1")
            here = position(protected)
            stored_past(installation, here)
            until(lambda: asked(standby, f"SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {here}"))
            protected.kill()
            standby.run(standby.bin / "pg_ctl", "-D", standby.data, "-w", "promote")
            with standby.connect() as connection:
                connection.execute("INSERT INTO told VALUES ('after')")
            installation.answer("change_instance", "orders", "--port", str(standby.port))
            until(lambda: state_of(installation)["timeline"] == 2)
            stored_past(installation, position(standby))
        assert count(installation, "catalog_loggap") == 0
        lines = rows(installation, "SELECT timeline FROM catalog_logstretch ORDER BY timeline")
        assert [line["timeline"] for line in lines] == [1, 2]
        assert count(installation, "catalog_loghistory") == 1
        backup = rows(installation, "SELECT backup_id FROM catalog_backup")[0]["backup_id"]
        revived = revive(installation, backup, standby, workdir / "revived-standby", "2")
        try:
            assert asked(revived, "SELECT string_agg(word, ' ' ORDER BY word) FROM told") == "after before"
            assert asked(revived, "SELECT count(*) FROM pgbench_accounts") == 100_000
        finally:
            revived.stop()
        slots_without_a_collector(installation, protected, standby)
    finally:
        standby.stop()
        shutil.rmtree(standby.folder, ignore_errors=True)


def slots_without_a_collector(installation, old: PostgresServer, new: PostgresServer) -> None:
    """How much the slot keeps is seen all the same, and the one on the old primary goes when it is back."""
    left = f"127.0.0.1:{old.port}"
    with new.connect() as connection:
        for _ in range(3):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CREATE TABLE filler AS SELECT 1 AS n")
            connection.execute("DROP TABLE filler")

    def looked_at() -> bool:
        found = installation.answer("probe", "orders")
        assert "max_slot_wal_keep_size" in found["warnings"][-1]
        return (state_of(installation)["slot_retained_bytes"] or 0) > 2 * (16 << 20)

    until(looked_at)
    assert json.loads(state_of(installation)["slots_left"]) == [left], "it was not there to be asked"
    old.start()
    assert asked(old, "SELECT count(*) FROM pg_replication_slots WHERE NOT active") == 1
    with new.connect() as connection:
        connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")
        connection.execute("SELECT pg_reload_conf()")
    until(lambda: asked(new, "SELECT current_setting('max_slot_wal_keep_size')") == "1GB")
    found = installation.answer("probe", "orders")
    assert not [words for words in found["warnings"] if "max_slot_wal_keep_size" in words]
    assert asked(old, "SELECT count(*) FROM pg_replication_slots") == 0
    assert asked(new, "SELECT count(*) FROM pg_replication_slots") == 1
    assert json.loads(state_of(installation)["slots_left"]) == []


def test_a_server_that_was_put_back_gets_a_new_base(installation, protected):
    with collector(installation):
        streaming(installation)
        stored_past(installation, position(protected))
    protected.stop("fast")
    shutil.copytree(protected.data, protected.folder / "snapshot", symlinks=True)
    protected.start()
    with collector(installation):
        streaming(installation)
        pgbench(protected, "-i", "-q", "-s", "1")
        stored_past(installation, position(protected))
    protected.stop("fast")
    shutil.rmtree(protected.data)
    (protected.folder / "snapshot").rename(protected.data)
    protected.run("/bin/true")
    for place in [protected.data, *protected.data.rglob("*")]:
        shutil.chown(place, "postgres", "postgres")
    protected.start()
    with collector(installation):
        until(lambda: count(installation, "catalog_loggap", "code = 'logs.server_went_back'"))
        streaming(installation)
        until(lambda: count(installation, "ops_job", "task = 'catalog.tasks.run_backup'"))
        assert state_of(installation)["base_reason"]
    lineages = rows(installation, "SELECT DISTINCT lineage FROM catalog_logstretch")
    assert len(lineages) == 2


def test_log_the_server_has_removed_is_a_gap_with_a_reason(installation, protected):
    with protected.connect() as connection:
        connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
        connection.execute("ALTER SYSTEM SET min_wal_size = '32MB'")
        connection.execute("ALTER SYSTEM SET max_wal_size = '32MB'")
        connection.execute("SELECT pg_reload_conf()")
    with collector(installation):
        streaming(installation)
        stored_past(installation, position(protected))
    with protected.connect() as connection:
        for _ in range(8):
            connection.execute("CREATE TABLE filler AS SELECT generate_series(1, 100000) AS n")
            connection.execute("DROP TABLE filler")
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
        until(lambda: asked(protected, "SELECT wal_status FROM pg_replication_slots") == "lost")
    with collector(installation):
        until(lambda: count(installation, "catalog_loggap", "code = 'logs.slot_lost'"))
        streaming(installation)
        stored_past(installation, position(protected))
        until(lambda: count(installation, "ops_alert", "rule = 'log_base_needed'"))
    assert count(installation, "catalog_logstretch") == 2
    assert asked(protected, "SELECT count(*) FROM pg_replication_slots WHERE wal_status <> 'lost'") == 1
