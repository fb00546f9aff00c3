"""Real workers for the job tests: `manage.py qcluster` processes on the test database."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from dataprotect.ops import queue
from dataprotect.ops.models import Job

ROOT = Path(__file__).resolve().parents[2]
Enqueue = Callable[..., Job]


def wait_for(happened: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Look ten times a second; fail with `what` when it has not happened in time."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def worker_environment(**more: str) -> dict[str, str]:
    """A child's environment: this run's home, the test database and the broker of the settings."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{config['NAME']}"
    else:
        login = f"{config['USER']}:{config['PASSWORD']}@{config['HOST']}:{config['PORT']}"
        url = f"postgresql://{login}/{config['NAME']}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL") if name in os.environ}
    return kept | {
        "RESTORE_HOOKS": json.dumps(settings.RESTORE_HOOKS),
        "DATAPROTECT_HOME": str(settings.DATAPROTECT_HOME),
        "EMERGENCY_STOP_FILE": str(settings.EMERGENCY_STOP_FILE),
        "DATABASE_URL": url,
        "BROKER_URL": settings.Q_CLUSTER.get("redis", "orm"),
        "DJANGO_SETTINGS_MODULE": "tests.ops.worker_settings",
        "PYTHONPATH": str(ROOT),
        "QUEUE_POLL_MILLISECONDS": "50",
        "WORKERS": "2",
        **more,
    }


class Cluster:
    """One qcluster with its workers (or another long-lived command), in a process group of its own."""

    def __init__(self, log: Path, command: str = "qcluster", **environment: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", command], cwd=ROOT, env=worker_environment(**environment),
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def signal(self, number: int) -> None:
        """To every process of it."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            self.process.wait()
            # A pusher that is still dying could take the next message out of Redis with it.
            wait_for(lambda: not list(living_members(self.process.pid)), "the whole group is dead")


def living_members(group: int) -> Iterator[int]:
    """The processes of a process group that are not zombies."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                yield int(stat.parent.name)


@pytest.fixture
def start_workers(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """`start_workers(JOB_LEASE_SECONDS="3") -> Cluster`; all of them are gone after the test."""
    started: list[Cluster] = []

    def start(**environment: str) -> Cluster:
        connection.close()  # no transaction of ours may be open while they begin
        started.append(Cluster(tmp_path / f"qcluster{len(started)}.log", **environment))
        return started[-1]

    yield start
    for cluster in started:
        cluster.kill()


@pytest.fixture(autouse=True)
def empty_broker() -> Iterator[None]:
    """Messages of an earlier test point at rows that are gone; the database's flush does not empty Redis."""
    from django_q.brokers import get_broker

    if "redis" in settings.Q_CLUSTER:
        get_broker().delete_queue()
    yield


@pytest.fixture(autouse=True)
def no_stop_file() -> Iterator[None]:
    yield
    Path(settings.EMERGENCY_STOP_FILE).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def chores_are_tasks(settings: object) -> None:
    from django.conf import settings as loaded

    settings.JOB_TASK_MODULES = [*loaded.JOB_TASK_MODULES, "tests.ops.chores"]  # type: ignore[attr-defined]


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """Where the chores write that they began."""
    file = tmp_path / "diary"
    file.touch()
    return file


@pytest.fixture
def enqueue(diary: Path) -> Enqueue:
    """`enqueue("count", steps=5, exclusive="instance:1")`: keywords that `queue.enqueue` knows go there."""
    known = {"exclusive", "wait", "cluster", "subject", "title"}

    def make(chore: str, **words: object) -> Job:
        options = {name: words.pop(name) for name in known & set(words)}
        if chore in ("count", "first_attempt_hangs", "deaf"):
            words["diary"] = str(diary)
        return queue.enqueue(f"tests.ops.chores.{chore}", arguments=words, actor="tester", **options)  # type: ignore[arg-type]

    return make


def starts(diary: Path) -> list[str]:
    return [line for line in diary.read_text().splitlines() if line.startswith("started")]


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)
