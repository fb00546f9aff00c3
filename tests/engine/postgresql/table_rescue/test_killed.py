"""kill -9 at every step: all or nothing, the server itself says which, and going on finishes it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dataprotect.engine import table_rescue
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, Two, failed, rows

PATIENCE = 60.0
TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, filling text)",
    "INSERT INTO t SELECT g, repeat('x', {width}) FROM generate_series(1, {rows}) AS g",
)
RESCUE_STEPS = ["begun", "compared", "staged", "kept", "written", "before_commit", "after_commit"]
UNDO_STEPS = ["undo.staged", "kept", "written", "undo.before_commit", "undo.after_commit"]
one_server = pytest.mark.parametrize("postgres", ["postgres17"], indirect=True)


def _run(both: Two, do: str, *step: str, mode: str = "replace") -> subprocess.CompletedProcess[str]:
    worker = _start(both, do, *step, mode=mode)
    out, said = worker.communicate(both.server.password + "\n")
    return subprocess.CompletedProcess(worker.args, worker.returncode, out, said)


def _start(both: Two, do: str, *step: str, mode: str) -> subprocess.Popen[str]:
    server = both.server
    asked = {
        "do": do, "mode": mode, "tables": ["t"], "port": server.port, "live": f"{both.name}_live",
        "then": f"{both.name}_then",
        "dsn": f"host={server.folder} port={server.port} user=postgres dbname=postgres",
    }  # fmt: skip
    program = "tests.engine.postgresql.table_rescue.killed_rescue"
    return subprocess.Popen(
        [sys.executable, "-m", program, json.dumps(asked), *(f"table_rescue.{each}" for each in step)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _settled(both: Two) -> str:
    """How it stands once the server has noticed that its client is dead."""
    deadline = time.monotonic() + PATIENCE
    while (state := table_rescue.standing(both.target(), "r1").state) == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return state


@pytest.fixture
def both(two: MakeTwo) -> Iterator[Two]:
    made = two(*(each.format(width=3, rows=50) for each in TABLE))
    made.live.execute("DELETE FROM t WHERE id <= 20")
    made.live.execute("UPDATE t SET filling = 'new' WHERE id > 45")
    made.live.execute("INSERT INTO t VALUES (77, 'new')")
    yield made


@one_server
def test_a_rescue_killed_at_any_step(both: Two) -> None:
    before, then = rows(both.live, "t"), rows(both.then, "t")
    for step in RESCUE_STEPS[:-1]:
        died = _run(both, "rescue", step)
        assert died.returncode == -9, died.stderr
        assert (_settled(both), rows(both.live, "t")) == ("none", before), step
    died = _run(both, "rescue", RESCUE_STEPS[-1])
    assert died.returncode == -9
    assert (_settled(both), rows(both.live, "t")) == ("done", then)
    result = both.rescue("replace", "t")
    assert result.tables[0].inserted == 20 and failed(result) == []


@one_server
def test_an_undo_killed_at_any_step(both: Two) -> None:
    before = rows(both.live, "t")
    ended = _run(both, "rescue")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[2:] == [f"table_rescue.{step}" for step in RESCUE_STEPS]  # none is left out
    after = rows(both.live, "t")
    for step in UNDO_STEPS[:-1]:
        assert _run(both, "undo", step).returncode == -9
        assert (_settled(both), rows(both.live, "t")) == ("done", after), step
    assert _run(both, "undo", UNDO_STEPS[-1]).returncode == -9
    assert (_settled(both), rows(both.live, "t")) == ("undone", before)
    assert both.undo().tables[0].removed == 20


@one_server
def test_a_server_killed_while_it_commits_has_all_or_nothing(
    make_postgres, two: MakeTwo, postgres, on_step
) -> None:
    """The connection is lost at the worst moment; the server says afterwards how it ended."""
    both = two(*(each.format(width=3, rows=50) for each in TABLE))
    both.live.execute("DELETE FROM t")

    def cut() -> None:
        both.live.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'dataprotect table rescue' AND state LIKE 'idle in transaction%' "
            "AND datname = current_database()"
        )

    on_step("table_rescue.before_commit", cut)
    with pytest.raises(Exception, match="was lost") as lost:
        both.rescue("merge", "t")
    assert getattr(lost.value, "code", "") == "connection.lost"
    assert (_settled(both), rows(both.live, "t")) == ("none", [])
    assert both.rescue("merge", "t").tables[0].inserted == 50


@one_server
def test_a_worker_killed_during_a_long_statement_leaves_no_locks(two: MakeTwo) -> None:
    """The server is busy and would not look at its connection for minutes by itself."""
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "INSERT INTO t VALUES (1, 1)",
        "CREATE FUNCTION slow() RETURNS bool LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(600); RETURN true; END'",
    )
    both.live.execute("DELETE FROM t")
    both.live.execute("ALTER TABLE t ADD CHECK (slow())")
    worker = _start(both, "rescue", mode="merge")
    assert worker.stdin is not None
    worker.stdin.write(both.server.password + "\n")
    worker.stdin.flush()
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    deadline = time.monotonic() + PATIENCE
    while both.live.execute(query).fetchone() == (0,):
        assert worker.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)

    worker.kill()
    worker.communicate()

    assert (_settled(both), rows(both.live, "t")) == ("none", [])
    assert both.live.execute(query).fetchone() == (0,)


@one_server
def test_a_hundred_thousand_rows_in_bounded_memory(two: MakeTwo) -> None:
    """30 MB of rows come back; the process grows by far less than they are."""
    both = two(*(each.format(width=300, rows=100_000) for each in TABLE))
    both.live.execute("TRUNCATE t")

    ended = _run(both, "warm", mode="merge")

    assert ended.returncode == 0, ended.stderr
    before, after = (int(number) for number in ended.stdout.split()[:2])
    assert both.live.execute("SELECT count(*), sum(length(filling)) FROM t").fetchone() == (
        100_000,
        30_000_000,
    )
    assert after - before < 12 * 1024, f"grew by {after - before} KiB"
    assert both.undo().tables[0].removed == 100_000
