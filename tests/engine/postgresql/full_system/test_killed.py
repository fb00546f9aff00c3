"""kill -9 at every step: the old directory is in place, or the new one, or neither and nothing can start."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from dataprotect.engine import full_system
from dataprotect.engine.full_system_model import FullSystemRequest, Origin
from tests.engine.postgresql.full_system.stage import BACKED_UP, DAMAGED, ROOT, Stage

RESTORING = ["full_system.restoring", "restore.copied", "full_system.before_restored"]
FORWARD = {
    "full_system.restored": "restored", "full_system.before_stop": "restored",
    "full_system.stopped": "restored", "full_system.adopted": "restored", "full_system.planned": "restored",
    "full_system.moved.1": "exchanging", "full_system.moved.2": "exchanging",
    "full_system.moved.3": "exchanging", "full_system.moved.4": "exchanged",
    "full_system.before_start": "exchanged",
    "full_system.started": "exchanged", "full_system.answering": "exchanged",
}  # fmt: skip
BACK = {
    "full_system.before_stop": "exchanged", "full_system.stopped": "exchanged",
    "full_system.back_planned": "exchanged", "full_system.moved_back.1": "taking back",
    "full_system.moved_back.2": "taking back", "full_system.moved_back.3": "taking back",
    "full_system.moved_back.4": "taken back",
    "full_system.before_start": "taken back", "full_system.started": "taken back",
    "full_system.answering": "taken back",
}  # fmt: skip
"""Where it stands after a death at each step; each process goes on where the one before it died."""


class Worker(Protocol):
    def __call__(self, how_far: str, step: str = "") -> dict[str, Any]: ...


@contextmanager
def worker(stage: Stage, request: FullSystemRequest, origin: Origin) -> Iterator[Worker]:
    given = {
        "repository": stage.bench.repository.url, "keys": str(stage.bench.keys / "keys.json"),
        "port": stage.server.port, "password": stage.server.password, "data": str(stage.server.data),
        "stop": stage.hooks.stop, "start": stage.hooks.start, "user": stage.hooks.user,
        "restore_id": request.restore_id, "instance_id": request.instance_id, "backup_id": request.backup_id,
        "major": origin.major, "bin": str(stage.server.bin), "inode": origin.inode, "owner": origin.owner,
        "system": origin.system_identifier,
    }  # fmt: skip
    program = [sys.executable, "-m", "tests.engine.postgresql.full_system.killed"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(program, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]

        def go_on(how_far: str, step: str = "") -> dict[str, Any]:
            process.stdin.write(f"{how_far} {step}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        process.stdin.write(json.dumps(given) + "\n")
        yield go_on
        process.stdin.close()


def starts_nothing(stage: Stage) -> bool:
    """The start hook, as a service manager might run it at any moment."""
    ended = subprocess.run(stage.hooks.start, user=stage.hooks.user or None, cwd="/", capture_output=True)
    return ended.returncode != 0


def test_killed_at_every_step_there_and_back(whole: Stage) -> None:
    request, origin = whole.begin()
    with worker(whole, request, origin) as go_on:
        for step in RESTORING:
            killed = go_on("restored", step)
            assert killed["status"] == -signal.SIGKILL, killed
            found = full_system.standing(request, origin)
            assert (found.place, found.running) == ("restoring", True), step
            assert whole.rows() == (DAMAGED, 0)
        for how_far, expected in (("exchanged", FORWARD), ("back", BACK)):
            for step, place in expected.items():
                killed = go_on(how_far, step)
                assert killed["status"] == -signal.SIGKILL, f"{how_far} {step}: {killed}"
                found = full_system.standing(request, origin)
                assert found.place == place, f"{how_far} {step}: {found}"
                if place in ("exchanging", "taking back"):
                    assert not found.running and starts_nothing(whole), f"{how_far} {step}"
            finished = go_on(how_far)
            assert finished["status"] == 0, finished["error"]
            assert whole.rows() == ((BACKED_UP, 100) if how_far == "exchanged" else (DAMAGED, 0))
    assert full_system.discard(request, origin, "restored") > 1_000_000
    assert not whole.beside()


def test_the_steps_are_all_of_them(whole: Stage) -> None:
    request, origin = whole.begin()
    with worker(whole, request, origin) as go_on:
        there, back = go_on("exchanged"), go_on("back")
    assert not there["error"] and not back["error"], (there, back)
    assert set(there["steps"]) == {*RESTORING, *FORWARD} - {"restore.copied"}
    assert set(back["steps"]) == set(BACK)
    whole.tidy(request, origin)


@pytest.mark.parametrize("step", ["full_system.moved.1", "full_system.moved.3"])
def test_a_half_exchange_is_taken_back(whole: Stage, step: str) -> None:
    request, origin = whole.begin()
    with worker(whole, request, origin) as go_on:
        assert go_on("exchanged", step)["status"] == -signal.SIGKILL
    assert full_system.standing(request, origin).place == "exchanging"
    full_system.swap_back(request, origin)
    assert whole.rows() == (DAMAGED, 0)
    assert full_system.standing(request, origin).place == "taken back"
    whole.tidy(request, origin)
