"""/livez and /readyz: what is wrong is said, to those who may know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from dataprotect.core import clock
from dataprotect.ops import readiness
from dataprotect.ops.models import Worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_migrated", False)


@pytest.fixture
def worker() -> Worker:
    now = clock.now()
    return Worker.objects.create(name="here:1", host="here", cluster="c", pid=1, version="0", swept_at=now)


def ask(**more: str) -> Any:
    return Client(REMOTE_ADDR=more.pop("address", "127.0.0.1")).get("/readyz", **more)


def reason(name: str, **more: str) -> str:
    answer = ask(**more)
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    bad = {check: told for check, told in answer.json()["checks"].items() if not told["ok"]}
    assert name in bad
    return str(bad[name]["reason"])


def test_ready_when_everything_works(worker: Worker) -> None:
    answer = ask()
    assert answer.status_code == 200, answer.json()
    assert answer.json()["ready"] is True
    assert set(answer.json()["checks"]) == {"database", "migrations", "broker", "workers", "home"}


def test_alive_needs_nothing(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    with django_assert_num_queries(0):
        answer = Client(REMOTE_ADDR="203.0.113.9").get("/livez")
    assert (answer.status_code, answer.json()["alive"]) == (200, True)


def test_no_worker(worker: Worker) -> None:
    Worker.objects.all().delete()
    assert "start manage.py qcluster" in reason("workers")


def test_a_pending_migration(worker: Worker) -> None:
    newest = MigrationLoader(connection).graph.leaf_nodes("ops")[0]
    MigrationRecorder(connection).record_unapplied(*newest)
    assert "are not applied; run manage.py migrate" in reason("migrations")
    MigrationRecorder(connection).record_applied(*newest)
    assert ask().status_code == 200


def test_a_broker_that_is_down(
    worker: Worker, redis_url: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real Redis answers; at a port where nothing listens it does not, and its address is not told."""
    from django_q.brokers.redis_broker import Redis
    from django_q.conf import Conf

    monkeypatch.setattr(Conf, "REDIS", redis_url)
    monkeypatch.setattr("django_q.brokers.get_broker", lambda: Redis())
    assert ask().status_code == 200
    monkeypatch.setattr(Conf, "REDIS", "redis://:planted-password@127.0.0.1:1/0?socket_connect_timeout=2")
    told = reason("broker")
    assert told == "the queue's broker does not answer (ConnectionError)"


def test_a_database_that_is_down(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("connection to server at 10.0.0.9 failed: password planted")

    monkeypatch.setattr(readiness.connection, "cursor", refuse)
    answer = ask()
    assert answer.status_code == 503
    told = answer.json()["checks"]
    assert told["database"]["reason"] == "the catalog database does not answer (OperationalError)"
    assert told["workers"]["reason"].startswith("not asked")
    assert "planted" not in answer.content.decode()


def test_a_home_that_cannot_be_written(worker: Worker, settings: Any, tmp_path: Path) -> None:
    settings.DATAPROTECT_HOME = tmp_path / "gone"
    assert reason("home") == "the home folder cannot be written (No such file or directory)"


def test_from_outside_only_yes_or_no() -> None:
    answer = ask(address="203.0.113.9")
    assert answer.status_code == 503
    assert all(set(check) == {"ok"} for check in answer.json()["checks"].values())
