"""What commits between a snapshot and the position is explained by transaction id, exactly, and nothing
else is.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from dataprotect.core import steps
from dataprotect.engine.databases.postgresql import drift
from dataprotect.engine.model import Check, Verification
from tests.engine.postgresql import protected
from tests.engine.postgresql.protected import Protected, inside

IN_THE_BLIND_SPOT = """
INSERT INTO drifting SELECT i, 'inserted' FROM generate_series(10001, 10010) i;
DELETE FROM drifting WHERE id <= 3;
UPDATE drifting SET v = 'updated' WHERE id BETWEEN 4 AND 8;
UPDATE drifting SET id = 20000 WHERE id = 10000;
SAVEPOINT a; INSERT INTO drifting VALUES (30001, 'kept subtransaction'); RELEASE a;
SAVEPOINT b; INSERT INTO drifting VALUES (30002, 'rolled back'); ROLLBACK TO b;
TRUNCATE emptied;
CREATE TABLE made_meanwhile (id int); INSERT INTO made_meanwhile VALUES (1);
SELECT lo_from_bytea(0, 'meanwhile');
"""


@pytest.fixture(scope="module", params=[15, 17])
def source(
    request: pytest.FixtureRequest, workdir: Path, postgres_binaries: Callable[[int], Path]
) -> Iterator[Protected]:
    yield from protected.protect(workdir / f"drift{request.param}", postgres_binaries(request.param))


def by_name(outcome: Verification) -> dict[str, Check]:
    return {check.name: check for check in outcome.checks}


def prepare(source: Protected) -> psycopg.Connection:
    """Tables to drift in, and a transaction begun before any snapshot, with subtransactions, not yet
    committed.
    """
    with source.server.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS drifting, emptied, made_meanwhile, untouched")
        connection.execute("CREATE TABLE drifting (id int PRIMARY KEY, v text)")
        connection.execute("INSERT INTO drifting SELECT i, 'v' || i FROM generate_series(1, 10000) i")
        connection.execute("CREATE TABLE emptied AS SELECT i FROM generate_series(1, 100) i")
        connection.execute("CREATE TABLE untouched AS SELECT i FROM generate_series(1, 100) i")
    early = source.server.connect()
    early.execute("BEGIN")
    early.execute("SAVEPOINT s; INSERT INTO drifting VALUES (40001, 'early'); RELEASE s")
    early.execute("DELETE FROM drifting WHERE id = 9")
    return early


def test_drift_is_explained_row_by_row(source: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []
    early: list[psycopg.Connection] = []

    def hook(name: str) -> None:
        if name == "backup.mode_ended":
            early.append(prepare(source))
        if name != "fingerprint.snapshots_taken":
            return
        attempts.append(1)
        with source.server.connect() as connection:
            connection.execute("SELECT pg_current_xact_id()")
            if len(attempts) == 10:
                connection.execute(f"BEGIN; {IN_THE_BLIND_SPOT} COMMIT")
                early[0].execute("COMMIT")

    monkeypatch.setattr(steps, "hook", hook)
    source.backup_id = source.bench.back_up(source.server).backup_id
    early[0].close()
    monkeypatch.setattr(steps, "hook", lambda name: None)
    assert len(attempts) == 10, "a busy source is tried ten times for a quiet moment"

    outcome = source.verify("restore")
    checks = by_name(outcome)
    assert [check for check in outcome.checks if check.passed is False] == []
    counts = checks["row counts of postgres"]
    assert "drift of" in counts.expected
    assert "public.drifting +8 rows" in counts.found  # 10 + 1 + 1 inserted, 3 + 1 deleted
    assert "public.emptied (it was dropped, truncated or rewritten" in counts.found
    assert "a transaction between snapshot and position altered them" in checks["schema of postgres"].found
    assert checks["large objects of postgres"].passed is True
    assert source.nothing_left()


def test_drift_explains_nothing_else(source: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    """With drift about, changes made to the clone are still failures: its own transactions explain
    nothing.
    """
    early = prepare(source)

    def hook(name: str) -> None:
        if name == "fingerprint.snapshots_taken":
            with source.server.connect() as connection:
                connection.execute("UPDATE drifting SET v = v || '!' WHERE id = 100")

    monkeypatch.setattr(steps, "hook", hook)
    source.backup_id = source.bench.back_up(source.server).backup_id
    early.close()

    def tamper(name: str) -> None:
        if name == "verify.clone_ready":
            socket = next(source.clones.glob("clone-*/s"))
            with psycopg.connect(
                host=str(socket), user="postgres", dbname="postgres", autocommit=True
            ) as clone:
                clone.execute("UPDATE drifting SET v = 'tampered' WHERE id = 1")
                clone.execute("DELETE FROM drifting WHERE id = 10000")
                clone.execute("DELETE FROM untouched WHERE i = 1")

    monkeypatch.setattr(steps, "hook", tamper)
    outcome = source.verify("restore", amcheck=False)
    checks = by_name(outcome)
    assert not outcome.passed
    assert "public.drifting has 9999 rows, expected 10000" in checks["row counts of postgres"].found
    assert "public.untouched has 99 rows, expected 100" in checks["row counts of postgres"].found
    assert "public.drifting (1) is different" in checks["row digests of postgres"].found


def test_a_backup_under_load_compares_equal(source: Protected) -> None:
    load = subprocess.Popen(
        source.server.pgbench("-c", "4", "-T", "60", "-n"), env=protected.pgbench_environment(source.server),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(1)
        source.backup_id = source.bench.back_up(source.server).backup_id
    finally:
        load.terminate()
        load.wait()
    outcome = source.verify("restore")
    assert [check for check in outcome.checks if check.passed is False] == []
    assert outcome.rto_seconds and outcome.rto_seconds <= outcome.seconds


def test_an_unseen_transaction_must_be_in_the_stored_log(source: Protected) -> None:
    """Commits of the clone itself, whose ids the source may have used too, are no drift."""
    clone = source.bring_up()
    try:
        with inside(clone) as connection:
            for _ in range(5):
                connection.execute("SELECT pg_current_xact_id()")
            row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            assert row is not None
            found = drift.unseen(connection, f"{row[0] - 5}:{row[0] - 5}:", row[0] + 1000)
        assert len(found) >= 5
    finally:
        from dataprotect.engine import clones

        clones.drop(source.clones, clone.clone_id)
