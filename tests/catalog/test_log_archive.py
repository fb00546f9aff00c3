"""archive_command through the small program: durable, repeatable, and only for the right cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from dataprotect.storage.logs import LogReader, stretches
from tests.catalog.collecting import count, identifier, open_stored, pgbench, rows
from tests.catalog.installation import ROOT

_NEXT_SECOND = (
    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' + '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
)


def archive(installation, path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dataprotect.engine.archive_wal", str(path), "--instance", "orders",
         "--home", str(installation.home), "--json"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def prepared(installation, make_postgres):
    server = make_postgres()
    installation.add_repository()
    installation.add_instance(server)
    assert "archive_wal" in installation.answer("archive_wal", "--prepare", "orders")["archive_command"]
    pgbench(server, "-i", "-q", "-s", "1")
    with server.connect() as connection:
        connection.execute("SELECT pg_switch_wal()")
    return server


def test_archive_a_segment(installation, prepared, make_postgres, tmp_path):
    wal = prepared.data / "pg_wal"
    first, second, *_ = sorted(each for each in wal.iterdir() if len(each.name) == 24)
    assert archive(installation, first).returncode == 0
    assert '"was stored already"' in archive(installation, first).stdout
    assert archive(installation, second).returncode == 0
    [found] = stretches(LogReader(open_stored(installation), identifier(installation)).objects())
    assert [item.kind for item in found.objects] == ["wal", "wal"]
    back = tmp_path / "back"
    LogReader(open_stored(installation), identifier(installation)).fetch(first.name, back)
    assert back.read_bytes() == first.read_bytes()

    changed = tmp_path / first.name
    changed.write_bytes(first.read_bytes()[:-1] + b"x")
    assert '"logs.different"' in archive(installation, changed).stdout
    short = tmp_path / "0000000100000000000000AA"
    short.write_bytes(b"short")
    assert '"archive.size"' in archive(installation, short).stdout
    other = make_postgres(start=False)
    foreign = next(each for each in (other.data / "pg_wal").iterdir() if len(each.name) == 24)
    moved = shutil.copy(foreign, tmp_path / "0000000100000000000000BB")
    assert '"archive.another_cluster"' in archive(installation, moved).stdout
    assert '"archive.unreadable"' in archive(installation, tmp_path / "0000000100000000000000CC").stdout
    assert archive(installation, wal / "000000010000000000000002.00000028.backup").returncode == 0

    installation.answer("archive_wal", str(first), "--instance", "orders")
    assert count(installation, "catalog_logstretch") == 1
    assert count(installation, "catalog_loggap") == 0


def test_rebuilding_brings_the_rows_back_and_names_a_hole(installation, prepared):
    wal = prepared.data / "pg_wal"
    with prepared.connect() as connection:
        for _ in range(2):
            connection.execute("CREATE TABLE filler AS SELECT 1 AS n")
            connection.execute("DROP TABLE filler")
            connection.execute("SELECT pg_switch_wal()")
    first, second, third, *_ = sorted(each for each in wal.iterdir() if len(each.name) == 24)
    for each in (first, second, third):
        assert archive(installation, each).returncode == 0
    assert count(installation, "catalog_logstretch") == 0
    assert installation.answer("rebuild_catalog", "local")["log_stretches"] == 1
    [whole] = rows(installation, "SELECT * FROM catalog_logstretch")
    assert (whole["start_position"], whole["end_position"]) == ("0/1000000", "0/4000000")
    [lost] = [
        item
        for item in LogReader(open_stored(installation), identifier(installation)).objects()
        if item.segment == second.name
    ]
    open_stored(installation, write=True).backend.delete(lost.name)
    assert installation.answer("rebuild_catalog", "local")["log_stretches"] == 2
    [gap] = rows(installation, "SELECT * FROM catalog_loggap")
    found = (gap["code"], gap["from_position"], gap["to_position"])
    assert found == ("logs.missing", "0/2000000", "0/3000000")


def test_a_timeline_that_was_left_waits_for_its_history(installation, prepared, tmp_path):
    wal = prepared.data / "pg_wal"
    first = min(each for each in wal.iterdir() if len(each.name) == 24)
    partial = tmp_path / f"{first.name}.partial"
    shutil.copy(first, partial)
    assert '"archive.history_missing"' in archive(installation, partial).stdout
    (tmp_path / "00000002.history").write_text("1\t0/1000100\tno recovery target specified\n")
    assert archive(installation, tmp_path / "00000002.history").returncode == 0
    assert archive(installation, partial).returncode == 0
    [found] = stretches(LogReader(open_stored(installation), identifier(installation)).objects())
    assert (found.start, found.end) == (0x1000000, 0x1000100)


def archive_what_is_complete(installation, server) -> list[Path]:
    """What the server's archiver would hand over by now, in order."""
    with server.connect() as connection:
        current = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()[0]
    complete = sorted(
        each for each in (server.data / "pg_wal").iterdir() if len(each.name) == 24 and each.name < current
    )
    for each in complete:
        assert archive(installation, each).returncode == 0
    return complete


def newest_commit(server, segment: Path) -> datetime:
    """As the server's own program reads it."""
    told = server.run(server.bin / "pg_waldump", "--rmgr=Transaction", segment).stdout
    found = re.findall(r"desc: COMMIT ([0-9-]+ [0-9:.]+) UTC", told)
    return datetime.fromisoformat(f"{found[-1]}+00:00")


def test_an_instant_in_log_that_was_pushed_is_restored(installation, prepared):
    """Nobody beats there: the commits themselves tie instants to positions."""
    installation.answer("backup", "orders")
    with prepared.connect() as connection:
        connection.execute("CREATE TABLE told AS SELECT 'before' AS word")
        connection.execute("SELECT pg_switch_wal()")
        between = connection.execute(_NEXT_SECOND).fetchone()[0]
        connection.execute("SELECT pg_sleep(2.5)")  # a window ends a second before its last known instant
        connection.execute("INSERT INTO told VALUES ('after')")
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CREATE TABLE later (n int)")
    *_, last = archive_what_is_complete(installation, prepared)
    installation.answer("archive_wal", str(last), "--instance", "orders")
    [stretch] = rows(installation, "SELECT * FROM catalog_logstretch")
    known = datetime.fromisoformat(stretch["end_at"]).replace(tzinfo=UTC)
    assert timedelta(0) <= newest_commit(prepared, last) - known < timedelta(milliseconds=1)
    [check] = rows(installation, "SELECT * FROM catalog_backuplogcheck")
    assert check["continuous"], check["found"]
    made = installation.answer("clone", "--instance", "orders", "--target-time", between)
    try:
        with psycopg.connect(made["dsn"]) as clone:
            assert clone.execute("SELECT string_agg(word, ' ') FROM told").fetchone() == ("before",)
    finally:
        installation.answer("drop_clone", made["clone_id"])
