"""kill -9 of the writing process at every step: no backup appears, none is harmed, the next run succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from dataprotect.storage.backends.local import WRITING
from dataprotect.storage.repository import Repository
from tests.storage.trees import (
    INSTANCE,
    SMALL_FILES,
    make_repository,
    open_repository,
    proved,
    restored,
    root_of,
    store,
)
from tests.warm import WarmPython

# The child counts the steps it reaches and kills itself at the given one; with -1 it tells them all.
CHILD = """
import os, signal, sys
from pathlib import Path
from dataprotect.core import steps
from tests.storage.trees import INSTANCE, SMALL_FILES, fill, open_repository

folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
repository = open_repository(folder, write=True)
reached = []

def hook(name):
    reached.append(name)
    if len(reached) - 1 == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

steps.hook = hook
with repository.begin(INSTANCE, "killed", pack_bytes=4096, threads=1, spool=folder / "spool") as writer:
    for path, data in SMALL_FILES.items():
        fill(writer, {path: data})
    writer.finish()
print("\\n".join(reached))
"""


def run_child(warm: WarmPython, folder: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    (folder / "spool").mkdir(exist_ok=True)
    return warm.run(["-c", CHILD, str(folder), str(fatal)], env=os.environ, stdin="", timeout=60)


def steps_of_a_backup(warm: WarmPython, folder: Path) -> list[str]:
    make_repository(folder)
    finished = run_child(warm, folder, -1)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split()


def test_the_steps_cover_every_commit(tmp_path, warm_python):
    steps = steps_of_a_backup(warm_python, tmp_path)
    assert steps[0] == "backup.before_begin"
    assert steps[-1] == "backup.after_seal"
    assert steps.count("storage.object.before_link") == 3 + steps.count("storage.pack.before_commit") + 1
    assert steps.count("storage.pack.before_commit") >= 2
    for needed in ("storage.key.after_put", "storage.manifest.before_commit", "backup.before_seal"):
        assert needed in steps


def sealed_at_step(steps: list[str], fatal: int) -> bool:
    """Whether the seal has its name when the process dies at step number `fatal`."""
    return fatal > steps.index("backup.before_seal") + 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_at_every_step(tmp_path, warm_python):
    (tmp_path / "count").mkdir()
    steps = steps_of_a_backup(warm_python, tmp_path / "count")
    assert len(steps) > 15
    for fatal in range(len(steps)):
        folder = tmp_path / f"at-{fatal}"
        folder.mkdir()
        repository = make_repository(folder)
        store(repository, "old", {"a": b"old"})
        before = contents(repository)
        died = run_child(warm_python, folder, fatal)
        assert died.returncode == -signal.SIGKILL, died.stderr
        again = open_repository(folder, write=True)
        assert_survived(again, before, sealed_at_step(steps, fatal), steps[fatal])
        assert list((folder / "spool").iterdir()) == [], "the temporary list outlived its process"


def contents(repository: Repository) -> dict[str, bytes]:
    return {item.name: repository.backend.read(item.name) for item in repository.backend.list()}


def assert_survived(repository: Repository, before: dict[str, bytes], sealed: bool, step: str) -> None:
    expected = ["killed", "old"] if sealed else ["old"]
    assert [seal.backup_id for seal in repository.seals()] == expected, step
    assert proved(repository, "old") == []
    if sealed:
        assert proved(repository, "killed") == []
        assert restored(repository, "killed") == SMALL_FILES
    after_the_kill = contents(repository)
    repository.sweep(INSTANCE)
    assert list((root_of(repository) / WRITING).iterdir()) == []
    assert contents(repository) == (after_the_kill if sealed else before), f"leftovers after {step}"
    store(repository, "next", SMALL_FILES)
    assert restored(repository, "next") == SMALL_FILES
    assert restored(repository, "old") == {"a": b"old"}
