"""The guard rails of the test suite themselves."""

from __future__ import annotations

import os
import socket
import urllib.request
from pathlib import Path

import psycopg
import pytest

from tests.isolation import OutsideWorld, is_loopback
from tests.servers.postgresql import PostgresServer
from tests.servers.process import is_running


def test_leaving_loopback_is_refused(request: pytest.FixtureRequest) -> None:
    from tests.conftest import _guard

    with pytest.raises(OutsideWorld):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    assert _guard.attempts == ["192.0.2.1"]
    _guard.attempts.clear()


def test_no_name_server_is_asked() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("database.example.com", 5432)
    with pytest.raises(OSError):
        urllib.request.urlopen("http://database.example.com/", timeout=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::1%lo"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "example.com", "0.0.0.0", "169.254.169.254", "localhost.evil"])
def test_everything_else_is_outside(host: str) -> None:
    assert not is_loopback(host)


def test_the_environment_points_into_the_workdir(workdir: Path, home: Path) -> None:
    assert Path(os.environ["HOME"]).is_relative_to(workdir)
    assert os.environ["DATAPROTECT_HOME"] == str(home)
    assert not [name for name in os.environ if name.startswith(("PG", "AWS_", "http", "HTTP"))]
    assert "DATABASE_URL" not in os.environ and "BEHIND_TLS" not in os.environ


def test_both_servers_answer_with_checksums(postgres: PostgresServer) -> None:
    with postgres.connect() as connection:
        row = connection.execute("SELECT current_setting('data_checksums'), version()").fetchone()
    assert row is not None and row[0] == "on" and f"PostgreSQL {postgres.major}" in row[1]


def test_an_own_server_can_be_killed_and_started_again(make_postgres) -> None:
    server = make_postgres(version=17, checksums=False)
    first = server.pid()
    server.kill()
    assert not is_running(first)
    server.stop()
    server.start()
    with server.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nothing_here")


def test_redis_answers(redis_url: str) -> None:
    import redis

    assert redis.Redis.from_url(redis_url).ping()
