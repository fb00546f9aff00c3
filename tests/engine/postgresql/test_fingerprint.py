"""The fingerprint of a running source: bounded, never failing over one table, honest about what it left
out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from dataprotect.core import steps
from dataprotect.core.errors import Cancelled
from dataprotect.core.progress import Silent
from dataprotect.engine.databases.postgresql import connection, fingerprint, lsn
from dataprotect.engine.databases.postgresql.fingerprint_model import (
    DatabaseContent,
    Fingerprint,
    FingerprintOptions,
    TableContent,
)
from dataprotect.engine.model import Address
from tests.engine.postgresql.conftest import address_of
from tests.servers.postgresql import PostgresServer


@pytest.fixture(scope="module", params=[15, 17])
def running(
    request: pytest.FixtureRequest, workdir: Path, postgres_binaries: Callable[[int], Path]
) -> Iterator[PostgresServer]:
    folder = workdir / f"fingerprint{request.param}"
    server = PostgresServer(postgres_binaries(request.param), folder).create().start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(running: PostgresServer) -> PostgresServer:
    """As if it were new: one database `postgres` with nothing in it, and no role but its own."""
    with running.connect("template1") as client:
        made = client.execute("SELECT datname FROM pg_database WHERE datname !~ '^template'").fetchall()
        for (name,) in made:
            client.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        client.execute("CREATE DATABASE postgres")
        roles = client.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'").fetchall()
        for (name,) in roles:
            client.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))
    return running


def taken(server: PostgresServer, address: Address | None = None, **options: object) -> Fingerprint:
    where = address or address_of(server)
    return fingerprint.capture(
        lambda database: connection.connect(where, database=database),
        FingerprintOptions(**options),  # type: ignore[arg-type]
    )


def contents(found: Fingerprint, name: str = "postgres") -> DatabaseContent:
    return next(each for each in found.databases if each.name == name)


def table(found: Fingerprint, name: str) -> TableContent:
    return next(each for each in contents(found).tables if each.name == name)


def test_it_survives_json_and_lies_before_the_flushed_end(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'é\"\\')")
    found = taken(server)
    assert Fingerprint.from_json(json.loads(json.dumps(found.as_json()))) == found
    assert lsn.parse(found.position) < lsn.parse(found.end_position)
    with server.connect() as client:
        row = client.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row is not None
    assert lsn.parse(row[0]) >= lsn.parse(found.end_position)


def test_counts_are_exact_up_to_a_size_and_estimated_above(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE TABLE big (id int PRIMARY KEY, v text)")
        client.execute("INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i")
        client.execute("ANALYZE big")
    exact = table(taken(server), "big")
    assert (exact.counted, exact.rows, exact.content) == ("exact", 20000, None)
    estimated = table(taken(server, exact_count_bytes=1 << 20), "big")
    assert estimated.counted == "estimated"
    assert estimated.rows == pytest.approx(20000, rel=0.05)
    assert 100 < len(estimated.samples) <= 200


def test_samples_reach_from_the_first_key_to_the_last(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE TABLE t (a int, b text, PRIMARY KEY (a, b))")
        client.execute("INSERT INTO t SELECT i, 'k' || i FROM generate_series(1, 5000) i")
    keys = [int(sample.key[0]) for sample in table(taken(server), "t").samples]
    assert (min(keys), max(keys)) == (1, 5000)
    assert 150 < len(keys) <= 200
    assert max(after - before for before, after in zip(sorted(keys), sorted(keys)[1:], strict=False)) < 60


def test_a_digest_does_not_depend_on_anybodys_settings(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE TABLE t (id int PRIMARY KEY, at timestamptz, i interval, f float8, b bytea)")
        client.execute("INSERT INTO t VALUES (1, '2026-01-02 03:04:05+00', '1 day 2 hours', 0.1, 'abc')")
        before = table(taken(server), "t")
        for setting in (
            "TimeZone = 'Asia/Tokyo'", "DateStyle = 'German, DMY'", "IntervalStyle = 'iso_8601'",
            "extra_float_digits = -3", "bytea_output = 'escape'",
        ):  # fmt: skip
            client.execute(f"ALTER DATABASE postgres SET {setting}".encode())
    after = table(taken(server), "t")
    assert (after.samples, after.content) == (before.samples, before.content)


def test_what_cannot_be_read_is_listed_with_the_reason(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE TABLE open (id int PRIMARY KEY); CREATE TABLE closed (id int)")
        client.execute("CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY")
        client.execute("CREATE UNLOGGED TABLE lost (id int); CREATE TABLE locked (id int)")
        client.execute("CREATE MATERIALIZED VIEW unready AS SELECT 1 WITH NO DATA")
        client.execute("CREATE ROLE reader LOGIN PASSWORD 'reader' IN ROLE pg_read_all_stats")
        client.execute("GRANT SELECT ON open, guarded, lost, locked, unready TO reader")
        client.execute("GRANT EXECUTE ON FUNCTION pg_control_checkpoint(), pg_control_system() TO reader")
    from dataprotect.core.secrets import Secret

    address = address_of(server, user="reader", password=Secret("reader"))
    with server.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE locked")
        found = taken(server, address, lock_seconds=0.3)
    reasons = {each.name: each.skipped for each in contents(found).tables}
    assert reasons["open"] is None
    assert "may not read" in str(reasons["closed"])
    assert "row-level security" in str(reasons["guarded"])
    assert "unlogged" in str(reasons["lost"])
    assert "locked" in str(reasons["locked"])
    assert "not populated" in str(reasons["unready"])
    assert "passwords" not in found.cluster, "what cannot be read is left out, not compared as empty"


def test_the_time_it_may_take_is_bounded(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE TABLE t (id int)")
    assert "time allowed" in str(table(taken(server, budget_seconds=0.0), "t").skipped)


def test_truncation_while_it_counts_is_not_taken_for_an_empty_table(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRUNCATE shows an empty table even to older snapshots; the count would be wrong."""
    with server.connect() as client:
        client.execute("CREATE TABLE t AS SELECT i FROM generate_series(1, 100) i")
        client.execute("CREATE TABLE gone AS SELECT 1 AS i")

    def hook(name: str) -> None:
        if name == "fingerprint.snapshots_taken":
            with server.connect() as other:
                other.execute("TRUNCATE t")
                other.execute("DROP TABLE IF EXISTS gone")

    monkeypatch.setattr(steps, "hook", hook)
    found = taken(server, attempts=1)
    assert "truncated" in str(table(found, "t").skipped)
    assert table(found, "gone").skipped is not None


def test_definitions_altered_meanwhile_are_named(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataprotect.engine.databases.postgresql import fingerprint_rows

    with server.connect() as client:
        client.execute("CREATE TABLE t (id int)")
    tables = fingerprint_rows.tables

    def altered(given: connection.Connection) -> list[fingerprint_rows.Table]:
        with server.connect() as other:
            other.execute("CREATE INDEX IF NOT EXISTS made_meanwhile ON t (id)")
        return tables(given)

    monkeypatch.setattr(fingerprint_rows, "tables", altered)
    assert "indexes public.made_meanwhile" in contents(taken(server)).changing


def test_names_are_never_more_than_names(server: PostgresServer) -> None:
    name = 'x"; DROP TABLE "victim"; --\'%s{}'
    with server.connect() as client:
        client.execute("CREATE TABLE victim (id int PRIMARY KEY)")
        quoted = sql.Identifier(name)
        client.execute(sql.SQL("CREATE TABLE {0} ({0} serial PRIMARY KEY)").format(quoted))
        client.execute(sql.SQL("INSERT INTO {} DEFAULT VALUES").format(quoted))
        client.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("Odd; db '\"x")))
    found = taken(server)
    assert table(found, name).rows == 1
    assert len(table(found, name).samples) == 1
    assert table(found, "victim").skipped is None
    assert contents(found, "Odd; db '\"x").skipped is None
    assert [each.behind for each in contents(found).sequences] == [False]


def test_more_databases_than_connections_are_said(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute("CREATE DATABASE aaa")
        client.execute("CREATE DATABASE zzz")
    found = taken(server, max_connections=2)
    assert [each.name for each in found.databases if each.skipped] == ["zzz"]
    assert any("zzz" in warning for warning in found.warnings)


def test_it_ends_when_the_work_must_end(server: PostgresServer) -> None:
    class Stop(Silent):
        def checkpoint(self) -> None:
            raise Cancelled()

    with pytest.raises(Cancelled):
        fingerprint.capture(
            lambda name: connection.connect(address_of(server), database=name), reporter=Stop()
        )
    with server.connect() as client:
        row = client.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row == (0,)


@pytest.mark.parametrize(
    ("position", "end"),
    [
        ("0/2000028", "0/2000000"),
        ("0/2002018", "0/2002000"),
        ("0/20020A0", "0/20020A0"),
        ("0/2000018", "0/2000018"),
    ],
)
def test_where_the_last_record_ends(position: str, end: str) -> None:
    assert lsn.text(lsn.record_end(lsn.parse(position))) == end
