"""kill -9 at every step of shipping, and a full disk: nothing shipped is lost, what was cut goes again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from dataprotect.core import steps
from dataprotect.storage.backends.base import StorageFull
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.logs import LogReader, stretches
from dataprotect.storage.logs.checking import check_logs
from dataprotect.storage.repository import Repository
from tests.storage.logs.wal import SIZE, name, plain, ship, ship_slice, writer
from tests.storage.trees import INSTANCE, SYSTEM, make_repository, open_repository


def work(folder: Path) -> None:
    """Everything a collector does: a slice, another, the segment, a history, the next slice."""
    out = writer(open_repository(folder, write=True))
    ship_slice(out, 3, 0, 100)
    ship_slice(out, 3, 100, 200)
    ship(out, 3)
    out.ship_history(2, b"1\t0/6100\tno recovery target specified\n")
    ship_slice(out, 4, 0, 100)


def steps_of(folder: Path) -> list[str]:
    reached: list[str] = []
    steps.hook = reached.append
    try:
        work(folder)
    finally:
        steps.hook = steps._nothing
    return reached


def killed_at(folder: Path, number: int) -> None:
    """A child that does the work and kills itself at the step."""
    child = os.fork()
    if child == 0:
        count = 0

        def die(_: str) -> None:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        steps.hook = die
        work(folder)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_kill_at_every_step(tmp_path):
    first = tmp_path / "first"
    first.mkdir()
    make_repository(first)
    reached = steps_of(first)
    assert {"storage.log.before_commit", "storage.object.after_link", "storage.key.before_put"} <= set(
        reached
    )
    for number in range(1, len(reached) + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        make_repository(folder)
        killed_at(folder, number)
        assert check_logs(open_repository(folder), INSTANCE) == [], reached[number - 1]
        work(folder)
        repository = open_repository(folder, write=True)
        repository.sweep(INSTANCE)
        LogReader(repository, INSTANCE).fetch(name(3), folder / "three")
        assert (folder / "three").read_bytes() == plain(3)
        [found] = stretches(LogReader(repository, INSTANCE).objects())
        assert (found.start, found.end) == (3 * SIZE, 4 * SIZE + 100)
        kinds = sorted(item.kind for item in found.objects)
        assert kinds in (["slice", "wal"], ["slice", "slice", "wal"], ["slice", "slice", "slice", "wal"])


@pytest.fixture
def full_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"mounting a small tmpfs is not permitted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_nothing_that_was_shipped(tmp_path, full_disk):
    repository = Repository.initialise(str(full_disk), LocalKeyring.create(tmp_path / "keyring.json"))
    repository.claim_instance(INSTANCE, SYSTEM)
    out = writer(repository)
    shipped = 0
    with pytest.raises(StorageFull):
        for number in range(100):
            ship(out, number)
            shipped += 1
    assert shipped > 0
    [found] = stretches(LogReader(repository, INSTANCE).objects())
    assert (found.start, found.end) == (0, shipped * SIZE)
    assert check_logs(repository, INSTANCE) == []
    repository.backend.delete(found.objects[0].name)
    assert ship(writer(repository), shipped).stored > 0
