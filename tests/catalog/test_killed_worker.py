"""kill -9 of a worker of the real queue in the middle of a backup: the next run succeeds and sweeps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.catalog.installation import Installation, end_group
from tests.servers.postgresql import PostgresServer

STEPS = ("backup.begun", "backup.copied", "backup.before_seal", "backup.after_seal", "backup.before_row")
JOBS = "[[j.state, j.attempts] for j in Job.objects.filter(kind='run_backup').order_by('created_at')]"


@pytest.fixture(scope="module")
def source(postgres15: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres15


def start_backup(installation: Installation) -> None:
    """As a page does it: the job is queued, a worker will take it."""
    installation.rows(
        "str(__import__('catalog.services', fromlist=['x']).backup_start("
        "actor='system:test', instance=Instance.objects.get()).pk)"
    )


def wait(installation: Installation, query: str, wanted: Callable[[object], bool], seconds: float) -> object:
    deadline = time.monotonic() + seconds
    while True:
        found = installation.rows(query)
        if wanted(found):
            return found
        assert time.monotonic() < deadline, (query, found)
        time.sleep(0.5)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at(step: str, installation: Installation, source: PostgresServer, tmp_path: Path) -> None:
    installation.add_repository()
    installation.add_instance(source)
    old = installation.answer("backup", "orders")
    start_backup(installation)
    note = tmp_path / "reached"
    installation.environment |= {"DIE_AT": step, "DIE_NOTE": str(note)}
    installation.environment["DJANGO_SETTINGS_MODULE"] = "tests.catalog.dying_settings"
    with installation.workers() as workers:
        deadline = time.monotonic() + 60
        while not note.exists():
            assert workers.poll() is None and time.monotonic() < deadline, "the worker never reached the step"
            time.sleep(0.05)
        end_group(workers)
    for name in ("DIE_AT", "DIE_NOTE", "DJANGO_SETTINGS_MODULE"):
        del installation.environment[name]
    sealed = step in ("backup.after_seal", "backup.before_row")
    assert len(list(installation.repository.rglob("seal.json"))) == (2 if sealed else 1)
    assert installation.rows("Backup.objects.count()") == 1
    assert installation.answer("verify", old["backup_id"], "--level", "decode")["passed"] is True

    taken = installation.answer("backup", "orders")  # it may not pass the dead worker before its lease ended
    assert taken["state"] == "checked"
    begun = {file.parent.name for file in installation.repository.rglob("begun.json")}
    kept = {file.parent.name for file in installation.repository.rglob("seal.json")}
    known = set(installation.rows("[b.backup_id for b in Backup.objects.all()]"))
    assert begun == kept == known, "nothing unsealed is left, nothing sealed is unknown"


def test_another_worker_takes_the_job_over(
    installation: Installation, source: PostgresServer, tmp_path: Path
) -> None:
    installation.add_repository()
    installation.add_instance(source)
    start_backup(installation)
    note = tmp_path / "reached"
    installation.environment |= {"DIE_AT": "backup.copied", "DIE_NOTE": str(note)}
    installation.environment["DJANGO_SETTINGS_MODULE"] = "tests.catalog.dying_settings"
    with installation.workers():
        deadline = time.monotonic() + 60
        while not note.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(int(note.read_text()), signal.SIGKILL)
    for name in ("DIE_AT", "DIE_NOTE", "DJANGO_SETTINGS_MODULE"):
        del installation.environment[name]
    time.sleep(5.5)  # the lease of four seconds, and the one that skewed clocks are given
    with installation.workers():
        installation.run("sweep")
        wait(installation, JOBS, lambda rows: rows == [["succeeded", 2]], 60)
    assert installation.rows("[b.state for b in Backup.objects.all()]") == ["checked"]
    assert len(list(installation.repository.rglob("begun.json"))) == 1
