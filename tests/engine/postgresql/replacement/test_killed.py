"""kill -9 at every step: what is in use is the old one or the new one, whole and open; the run goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from dataprotect.engine import processes, replace
from dataprotect.engine.replace_model import Origin, ReplaceRequest
from tests.engine.postgresql.replacement.killed_replacement import go_on
from tests.engine.postgresql.replacement.stage import Stage
from tests.warm import warm_python

LOADING = [
    "replace.before_load", "replace.dumped", "replace.staged_created", "replace.restored", "replace.analyzed",
    "replace.staged_complete",
]  # fmt: skip
SWAPPING = ["replace.before_swap", "replace.old_aside", "replace.before_commit", "replace.swapped"]
PLACES = {
    "replace.before_load": "untouched", "replace.dumped": "untouched", "replace.staged_complete": "staged",
    "replace.before_swap": "staged", "replace.old_aside": "staged", "replace.before_commit": "staged",
    "replace.swapped": "swapped",
}  # fmt: skip
"""Where it stands after a death at each step; those that are not named are `loading`."""


def child(stage: Stage, request: ReplaceRequest, origin: Origin, how_far: str, *step: str):
    words = [
        "-m", "tests.engine.postgresql.replacement.killed_replacement",
        str(stage.server.port), origin.database, origin.restore_id, request.dsn, str(request.spool),
        f"{stage.server.major}={stage.server.bin}", how_far, *step,
    ]  # fmt: skip
    given = f"{stage.server.password}\n{origin.oid}\n{origin.system_identifier}\n"
    return warm_python().run(words, env=os.environ, stdin=given, timeout=240)


def wait_until_quiet(stage: Stage) -> None:
    """The server ends the sessions of a dead process within moments; only then is everything settled."""
    deadline = time.monotonic() + 60
    while stage.sessions():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_use(stage: Stage) -> str:
    """By a client that comes anew."""
    try:
        return {10: "old", 1000: "new"}[stage.count()]
    except psycopg.Error as error:
        return f"nobody gets in: {error}"


@pytest.mark.parametrize("step", LOADING)
def test_killed_while_loading(stage17: Stage, step: str) -> None:
    stage17.renew()
    stage17.damage()
    request = stage17.request("tiny")
    origin = replace.origin(request)
    killed = child(stage17, request, origin, "load", step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    wait_until_quiet(stage17)
    assert in_use(stage17) == "old"
    assert replace.standing(request, origin).place == PLACES.get(step, "loading")
    go_on(request, origin, "load")
    assert replace.standing(request, origin).place == "staged"
    assert all(check.passed is not False for check in replace.validate(request))
    assert not any(request.spool.iterdir())


def test_killed_while_swapping_and_swapping_back(stage: Stage) -> None:
    """Each process goes on where the one before it died; the last two finish."""
    stage.renew()
    stage.damage()
    request = stage.request("tiny")
    origin = replace.origin(request)
    expected, place = "old", "staged"
    for how_far, old, new, afterwards in (
        ("swap", "old", "new", "swapped"),
        ("back", "new", "old", "rolled back"),
    ):
        for step in SWAPPING:
            killed = child(stage, request, origin, how_far, step)
            assert killed.returncode == -signal.SIGKILL, f"{step}: {killed.stderr}"
            wait_until_quiet(stage)
            done = step == "replace.swapped"
            expected, place = (new, afterwards) if done else (old, place)
            assert in_use(stage) == expected, f"{how_far} {step}"
            assert replace.standing(request, origin).place == place, f"{how_far} {step}"
    assert replace.discard(request, origin, "undone") > 0
    assert stage.beside() == set()


def test_the_steps_are_all_of_them(stage17: Stage) -> None:
    stage17.renew()
    stage17.damage()
    request = stage17.request("tiny")
    origin = replace.origin(request)
    whole = child(stage17, request, origin, "back")
    assert whole.returncode == 0, whole.stderr
    assert set(whole.stdout.split()) == {*LOADING, *SWAPPING}
    assert in_use(stage17) == "old"


def test_programs_of_a_dead_run_are_ended(stage17: Stage, tmp_path: Path) -> None:
    """A killed worker leaves its pg_restore running; it must not go on writing into what is begun anew."""
    stage17.renew()
    request = stage17.request("tiny")
    folder = request.spool / f"replace-{request.restore_id}"
    folder.mkdir(parents=True)
    program = tmp_path / "pg_restore"
    shutil.copy("/bin/sleep", program)
    orphan = subprocess.Popen([program, "600"], cwd=folder)
    other = subprocess.Popen(["/bin/sleep", "600"], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        while not list(processes.inside(folder, "pg_restore")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        replace.load(request)
        assert orphan.wait(60) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (orphan, other):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
