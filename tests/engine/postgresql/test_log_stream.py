"""A stream against a real server: nothing is acknowledged early, and a slow repository holds it back."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import slots
from dataprotect.engine.databases.postgresql.connection import connect
from dataprotect.engine.databases.postgresql.log_spool import LogSpool
from dataprotect.engine.databases.postgresql.log_stream import PostgresLogStream
from dataprotect.engine.logs import LogRequest
from dataprotect.engine.model import Source
from dataprotect.storage.backends.base import StorageFull
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.logs import LogReader, LogWriter, stretches
from dataprotect.storage.logs.checking import check_logs
from dataprotect.storage.repository import Repository
from tests.engine.postgresql.conftest import address_of

NAME = "orders-1"


class Told:
    """Collects what a stream tells."""

    def __init__(self) -> None:
        self.ships, self.states, self.slots = [], [], []

    def started(self, **facts) -> None:
        self.slots.append(facts["slot"])

    def shipped(self, shipped) -> None:
        self.ships.append(shipped)

    def status(self, status) -> None:
        self.states.append(status)

    def history(self, *_) -> None: ...

    def gap(self, gap) -> None:
        raise AssertionError(gap)

    def base_needed(self, reason) -> None:
        raise AssertionError(reason)


class Running:
    """A stream in a thread."""

    def __init__(self, server, repository, spool, writer_type=LogWriter, **more) -> None:
        self.told, self.stop, self.error = Told(), threading.Event(), None
        spool.mkdir(exist_ok=True)
        request = LogRequest(
            Source(NAME, "orders", address_of(server)), "", spool,
            **({"slice_seconds": 0.5, "heartbeat_seconds": 0.5} | more),
        )  # fmt: skip

        def open_writer(system, size, went_back):
            return writer_type.open(
                repository, NAME, system_identifier=system, segment_size=size, went_back=went_back
            )

        self.stream = PostgresLogStream(request, open_writer, self.told)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.stream.run(self.stop)
        except ForeseenError as error:
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def repository(tmp_path):
    return Repository.initialise(str(tmp_path / "r"), LocalKeyring.create(tmp_path / "keyring.json"))


def asked(server, query):
    with server.connect() as connection:
        return connection.execute(query).fetchone()[0]


def wait_for(question, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def fill(server, scale="2"):
    subprocess.run(
        server.pgbench("-i", "-q", "-s", scale), check=True, capture_output=True,
        env={"PGPASSWORD": server.password, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


class FullWriter(LogWriter):
    """A repository that has no space for complete segments."""

    def ship_segment(self, segment, read, heartbeats=()):
        raise StorageFull("the test")


class SlowWriter(LogWriter):
    def ship_segment(self, segment, read, heartbeats=()):
        time.sleep(1.0)
        return super().ship_segment(segment, read, heartbeats)


def test_what_is_not_stored_is_not_acknowledged(make_postgres, repository, tmp_path):
    server = make_postgres()
    first = Running(server, repository, tmp_path / "spool", FullWriter)
    wait_for(lambda: first.told.ships)
    fill(server, "5")
    first.thread.join(60)
    assert first.error is not None and first.error.code == "storage.full"
    stored = max(ship.end for ship in first.told.ships)
    kept = asked(server, "SELECT restart_lsn - '0/0'::pg_lsn FROM pg_replication_slots")
    assert kept <= stored < asked(server, "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn")
    second = Running(server, repository, tmp_path / "spool")
    end = int(asked(server, "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn"))
    wait_for(lambda: second.told.ships and second.told.ships[-1].end >= end)
    second.end()
    assert second.error is None
    [found] = stretches(LogReader(repository, NAME).objects())
    assert found.end >= end
    assert check_logs(repository, NAME) == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_slow_repository_holds_the_stream_back(make_postgres, repository, tmp_path, monkeypatch):
    server = make_postgres(settings={"wal_sender_timeout": "'3s'"})
    held = []
    append = LogSpool.append

    def counted(self, payload):
        append(self, payload)
        held.append(len(self._held))

    monkeypatch.setattr(LogSpool, "append", counted)
    running = Running(server, repository, tmp_path / "spool", SlowWriter, spool_bytes=32 << 20)
    wait_for(lambda: running.told.ships)
    fill(server, "12")
    end = int(asked(server, "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn"))
    wait_for(lambda: running.told.ships[-1].end >= end, 120)
    running.end()
    assert running.error is None
    assert max(held) <= 4
    assert len(stretches(LogReader(repository, NAME).objects())) == 1
    assert running.told.states[-1].slot_status == "reserved"


def test_a_polite_shutdown_of_the_server_waits_for_the_last_byte(make_postgres, repository, tmp_path):
    server = make_postgres()
    running = Running(server, repository, tmp_path / "spool", slice_seconds=100.0)
    wait_for(lambda: running.told.states)
    fill(server, "1")
    began = time.monotonic()
    server.stop("fast")
    assert time.monotonic() - began < 20
    running.thread.join(30)
    assert running.error is not None and running.error.retry
    [found] = stretches(LogReader(repository, NAME).objects())
    control = server.run(server.bin / "pg_controldata", server.data).stdout
    checkpoint = next(line for line in control.splitlines() if "Latest checkpoint location" in line)
    high, low = checkpoint.split()[-1].split("/")
    assert found.end > (int(high, 16) << 32) + int(low, 16)


def test_the_slot_of_the_server_under_another_name_is_not_one_left_behind(make_postgres):
    """Nobody is connected to it, and it is needed all the same."""
    server = make_postgres()
    name = slots.name_for(NAME)
    with connect(address_of(server)) as connection:
        slots.ensure(connection, name)
    elsewhere = address_of(server, host=str(server.folder))
    assert slots.drop_left(elsewhere, address_of(server), name) is False
    assert slots.measured(elsewhere, name) is not None
    other = make_postgres()
    assert slots.drop_left(address_of(server), address_of(other), name) is True
    assert slots.measured(elsewhere, name) is None
    assert slots.drop_left(address_of(server), address_of(other), name) is False
