"""What a backup holds, judged by the server started from it: quiet, under load, and under a storm of DDL."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from dataprotect.engine.model import Reader
from tests.engine.postgresql import restored
from tests.engine.postgresql.conftest import Bench, address_of
from tests.servers.postgresql import PostgresServer


@pytest.fixture(params=[15, 17])
def own_server(request: pytest.FixtureRequest, make_postgres) -> PostgresServer:
    return make_postgres(version=request.param, settings={"max_wal_size": "256MB", "wal_keep_size": "0"})


def check_pages(server: PostgresServer) -> None:
    """The server's own opinion of every page of the stopped, restored cluster."""
    server.stop("fast")
    server.run(server.bin / "pg_checksums", "--check", "-D", server.data)


@contextmanager
def pgbench(server: PostgresServer) -> Iterator[None]:
    """Four sessions at full speed until the block is left."""
    process = subprocess.Popen(
        server.pgbench("-n", "-c", "4", "-T", "120"),
        env={"PGPASSWORD": server.password}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(0.5)
        assert process.poll() is None
        yield
        assert process.poll() is None, "pgbench ended before the backup did"
    finally:
        process.terminate()
        process.wait()


def test_a_quiet_server_comes_back_row_for_row(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    with own_server.connect() as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, 30000) i"
        )
        connection.execute("CREATE INDEX ON orders (note)")
        connection.execute('CREATE DATABASE "odd name"')
    result = bench.back_up(own_server, reader)
    assert (result.reader, result.bad_pages, result.warnings) == (reader, (), ())
    clone = bench.bring_up(result, own_server)
    query = "SELECT count(*), md5(string_agg(id || note, ',' ORDER BY id)) FROM orders"
    with own_server.connect() as source, clone.connect() as clone_session:
        assert clone_session.execute(query).fetchone() == source.execute(query).fetchone()
        names = "SELECT array_agg(datname ORDER BY datname) FROM pg_database"
        assert clone_session.execute(names).fetchone() == source.execute(names).fetchone()
    check_pages(clone)


def test_a_hammered_server_comes_back_consistent(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    subprocess.run(
        own_server.pgbench("-i", "-s", "5", "-q"), env={"PGPASSWORD": own_server.password},
        check=True, capture_output=True,
    )  # fmt: skip
    with pgbench(own_server):
        result = bench.back_up(own_server, reader)
    assert result.bad_pages == ()
    clone = bench.bring_up(result, own_server)
    with clone.connect() as clone_session:
        sums = clone_session.execute(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts),"
            " (SELECT sum(tbalance) FROM pgbench_tellers),"
            " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)"
        ).fetchone()
        assert len(set(sums)) == 1
        assert clone_session.execute("SELECT count(*) FROM pgbench_history").fetchone()[0] > 0
    check_pages(clone)


class Storm:
    """Creates, fills, truncates, rewrites, moves and drops tables; the registry tells every change."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.failure: BaseException | None = None
        with server.connect() as connection:
            connection.execute("CREATE TABLE registry (name text PRIMARY KEY, rows bigint)")

    def __enter__(self) -> Storm:
        self._thread.start()
        while self.rounds < 2 and self._thread.is_alive():
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            with self.server.connect() as connection:
                while not self._stop.is_set():
                    self._round(connection, self.rounds)
                    self.rounds += 1
        except BaseException as error:  # noqa: BLE001  raised where the block is left
            self.failure = error

    def _round(self, connection: psycopg.Connection, number: int) -> None:
        name, rows = f"storm_{number}", 500 + number % 7 * 400
        with connection.transaction():
            connection.execute(
                f"CREATE TABLE {name} AS SELECT i, md5(i::text) t FROM generate_series(1, {rows}) i"
            )
            connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (i)")
            connection.execute("INSERT INTO registry VALUES (%s, %s)", (name, rows))
        victim = f"storm_{number - 4}"
        if number >= 4 and number % 4 == 0:
            with connection.transaction():
                connection.execute(f"TRUNCATE {victim}")
                connection.execute("UPDATE registry SET rows = 0 WHERE name = %s", (victim,))
        elif number >= 4 and number % 4 == 1:
            with connection.transaction():
                connection.execute(f"DROP TABLE {victim}")
                connection.execute("DELETE FROM registry WHERE name = %s", (victim,))
        elif number >= 4 and number % 4 == 2:
            connection.execute(f"VACUUM FULL {victim}")
        elif number >= 4:
            connection.execute(f"ALTER TABLE {victim} SET TABLESPACE elsewhere")
        if number % 25 == 10:
            connection.execute(f"CREATE DATABASE extra_{number}")


def test_tables_created_truncated_moved_and_dropped_meanwhile(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    place = own_server.folder / "elsewhere"
    own_server.run("mkdir", place)
    with own_server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE elsewhere LOCATION '{place}'")
    with Storm(own_server) as storm:
        before = storm.rounds
        result = bench.back_up(own_server, reader)
        assert storm.rounds > before
    assert result.bad_pages == ()
    clone = bench.bring_up(result, own_server)
    with clone.connect() as clone_session:
        registered = dict(clone_session.execute("SELECT name, rows FROM registry").fetchall())
        tables = {
            row[0]
            for row in clone_session.execute("SELECT relname FROM pg_class WHERE relname ~ '^storm_[0-9]+$'")
        }
        assert tables == set(registered)
        for name, rows in registered.items():
            assert clone_session.execute(f"SELECT count(*), count(DISTINCT t) FROM {name}").fetchone() == (
                rows,
                rows,
            )
    check_pages(clone)


def test_unlogged_tables_are_empty_and_temporary_files_absent(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    with own_server.connect() as session:
        session.execute("CREATE UNLOGGED TABLE scratch AS SELECT generate_series(1, 50000) i")
        session.execute("CREATE TEMPORARY TABLE mine AS SELECT generate_series(1, 50000) i")
        session.execute("SET work_mem = '64kB'")
        session.execute(
            "BEGIN; DECLARE sorted CURSOR FOR SELECT i FROM generate_series(1, 300000) i ORDER BY -i"
        )
        session.execute("FETCH 1 FROM sorted")  # the rest of the sort lies in base/pgsql_tmp now
        assert any((own_server.data / "base/pgsql_tmp").iterdir())
        with own_server.connect() as other:
            other.execute("CHECKPOINT")
            other.execute("SELECT pg_create_physical_replication_slot('kept', true)")
        result = bench.back_up(own_server, reader)
        session.execute("ROLLBACK")
    with own_server.connect() as other:
        other.execute("SELECT pg_drop_replication_slot('kept')")
    clone, entries = bench.restore(result, own_server)
    with own_server.connect() as connection:
        node = connection.execute("SELECT pg_relation_filepath('scratch')").fetchone()[0]
    assert f"pgdata/{node}_init" in entries
    assert f"pgdata/{node}" not in entries
    left_out = ("/t3_", "pgsql_tmp/", "pg_replslot/", "postmaster.pid", "postmaster.opts", "pg_internal.init")
    assert not [path for path in entries if any(part in path for part in left_out)]
    assert not [
        path for path in entries if path.rpartition("/")[2].startswith("t") and path.startswith("pgdata/base")
    ]
    with restored.start(clone).connect() as connection:
        assert connection.execute("SELECT count(*) FROM scratch").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)


def test_tablespaces_come_back_where_they_are_put(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    place = own_server.folder / "a place"
    own_server.run("mkdir", place)
    with own_server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE spacious LOCATION '{place}'")
        connection.execute("CREATE DATABASE roomy TABLESPACE spacious")
        oid = connection.execute("SELECT oid FROM pg_tablespace WHERE spcname = 'spacious'").fetchone()[0]
    with own_server.connect("roomy") as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 5000) i")
    result = bench.back_up(own_server, reader)
    clone, entries = bench.restore(result, own_server)
    assert entries[f"pgdata/pg_tblspc/{oid}"].link == str(place)
    restored.start(clone)
    with clone.connect("roomy") as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (5000,)
        location = connection.execute("SELECT pg_tablespace_location(%s)", (oid,)).fetchone()[0]
        assert location == str(clone.folder / f"space{oid}")
    check_pages(clone)


def test_the_log_is_whole_and_marked_as_archived(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    result = bench.back_up(own_server, reader)
    _, entries = bench.restore(result, own_server)
    segments = sorted(path.rpartition("/")[2] for path in entries if path.startswith("pgdata/pg_wal/0"))
    assert segments
    assert all(entries[f"pgdata/pg_wal/{name}"].size == 16 << 20 for name in segments)
    numbers = [int(name[8:16], 16) * 256 + int(name[16:], 16) for name in segments]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(f"pgdata/pg_wal/archive_status/{name}.done" in entries for name in segments)
    seal = bench.repository.seal("instance-1", result.backup_id)
    assert seal.facts["start_position"] == result.start_position
    attached = bench.repository.read("instance-1", result.backup_id).attachments()
    assert attached["server"]["system_identifier"] == result.system_identifier
    assert own_server.password not in str(attached)
    assert address_of(own_server).password is not None


def test_configuration_outside_the_data_directory_is_kept(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    outside = own_server.folder / "etc"
    own_server.run("mkdir", outside)
    own_server.run("cp", own_server.data / "pg_hba.conf", outside / "hba.conf")
    (outside / "extra.conf").write_text("work_mem = '5MB'\n")
    with (own_server.data / "postgresql.conf").open("a") as conf:
        conf.write(f"hba_file = '{outside}/hba.conf'\ninclude '{outside}/extra.conf'\n")
    own_server.stop("fast")
    own_server.start()
    result = bench.back_up(own_server, reader)
    clone, entries = bench.restore(result, own_server)
    assert {path for path in entries if path.startswith("config/")} == {
        f"config{outside}/hba.conf", f"config{outside}/extra.conf",
    }  # fmt: skip
    kept = clone.folder / "config" / str(outside)[1:] / "extra.conf"
    assert kept.read_text() == "work_mem = '5MB'\n"
    attached = bench.repository.read("instance-1", result.backup_id).attachments()
    assert attached["server"]["settings"]["work_mem"]["value"] == "5120"


def test_a_later_timeline_brings_its_history(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    own_server.stop("fast")
    own_server.run("touch", own_server.data / "standby.signal")
    own_server.start()
    own_server.run(own_server.bin / "pg_ctl", "-D", own_server.data, "-w", "promote")
    with own_server.connect() as connection:
        connection.execute("CHECKPOINT")
        connection.execute("CREATE TABLE later AS SELECT generate_series(1, 10) i")
    result = bench.back_up(own_server, reader)
    assert result.timeline == 2
    clone, entries = bench.restore(result, own_server)
    assert "pgdata/pg_wal/00000002.history" in entries
    with restored.start(clone).connect() as session:
        assert session.execute("SELECT count(*) FROM later").fetchone() == (10,)


def test_what_is_no_file_is_left_out_and_told(
    own_server: PostgresServer, bench: Bench, reader: Reader
) -> None:
    own_server.run("mkfifo", own_server.data / "a_pipe")
    own_server.run("ln", "-s", "/etc/passwd", own_server.data / "a_link")
    result = bench.back_up(own_server, reader)
    _, entries = bench.restore(result, own_server)
    for name in ("a_pipe", "a_link"):
        assert f"pgdata/{name}" not in entries
        assert any(name in warning for warning in result.warnings)


def test_thousands_of_small_files(own_server: PostgresServer, bench: Bench, reader: Reader) -> None:
    folder = own_server.data / "many"
    own_server.run("mkdir", folder)
    for number in range(3000):
        (folder / f"file{number}").write_bytes(b"%d" % number * (number % 50))
    result = bench.back_up(own_server, reader)
    clone, _ = bench.restore(result, own_server)
    for number in range(3000):
        assert (clone.data / "many" / f"file{number}").read_bytes() == b"%d" % number * (number % 50)
