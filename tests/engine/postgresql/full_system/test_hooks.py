"""What hooks claim is not believed: processes and answers are looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dataprotect.core import stop_file
from dataprotect.core.errors import EmergencyStop, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.engine import full_system
from dataprotect.engine.databases.postgresql.full_system import place, running
from dataprotect.engine.full_system_model import FullSystemRequest, Hooks, Origin
from tests.engine.postgresql.full_system.stage import BACKED_UP, DAMAGED, Stage


@pytest.fixture
def begun(whole: Stage) -> Iterator[tuple[FullSystemRequest, Origin]]:
    """A complete directory beside the one in use; tidied up whatever the test does."""
    request, origin = whole.begin()
    full_system.restore(whole.bench.repository, request, origin)
    yield request, origin
    whole.tidy(request, origin)


def hooked(request: FullSystemRequest, **changes: object) -> FullSystemRequest:
    hooks: Hooks = replace(request.target.hooks, **changes)  # type: ignore[arg-type]
    return replace(request, target=replace(request.target, hooks=hooks))


def code_of(error: pytest.ExceptionInfo[ForeseenError]) -> str:
    return error.value.code


def test_a_stop_hook_that_lies(whole: Stage, begun) -> None:
    request, origin = begun
    lying = hooked(request, stop=("/bin/true",), stop_seconds=0.5)
    with pytest.raises(ForeseenError) as error:
        full_system.stop(lying, origin)
    assert code_of(error) == "full_system.not_stopped"
    assert "claims success" in error.value.message
    with pytest.raises(ForeseenError) as error:
        full_system.exchange(lying, origin)
    assert code_of(error) == "full_system.running"
    assert full_system.standing(request, origin).place == "restored"
    assert whole.rows() == (DAMAGED, 0)


def test_a_stop_hook_that_fails(whole: Stage, begun, monkeypatch: pytest.MonkeyPatch) -> None:
    request, origin = begun
    monkeypatch.setattr("dataprotect.engine.databases.postgresql.full_system.stopping._AFTER_A_FAILURE", 0.5)
    failing = hooked(request, stop=("/bin/sh", "-c", "echo no such unit >&2; exit 5"))
    with pytest.raises(ForeseenError) as error:
        full_system.stop(failing, origin)
    assert code_of(error) == "full_system.not_stopped"
    assert "exit code 5: no such unit" in error.value.message
    assert whole.rows() == (DAMAGED, 0)


def test_a_stop_hook_that_takes_too_long(whole: Stage, begun, monkeypatch: pytest.MonkeyPatch) -> None:
    request, origin = begun
    monkeypatch.setattr("dataprotect.engine.databases.postgresql.full_system.stopping._AFTER_A_FAILURE", 0.5)
    with pytest.raises(ForeseenError) as error:
        full_system.stop(hooked(request, stop=("/bin/sleep", "600"), stop_seconds=0.5), origin)
    assert code_of(error) == "full_system.not_stopped"
    assert "did not finish within 0.5 s" in error.value.message
    assert whole.rows() == (DAMAGED, 0)


def test_a_stop_hook_that_says_it_failed_and_did_not(whole: Stage, begun) -> None:
    request, origin = begun
    words = " ".join(request.target.hooks.stop)
    stopped = full_system.stop(hooked(request, stop=("/bin/sh", "-c", f"{words}; exit 3")), origin)
    assert stopped.by_hook and "exit code 3" in stopped.note
    assert not full_system.standing(request, origin).running


@pytest.mark.parametrize(("start", "said"), [("/bin/true", "claims success"), ("/bin/false", "exit code 1")])
def test_a_start_hook_that_starts_nothing(
    whole: Stage, begun, start: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restored directory is in place, its server down; starting it later or taking it back both work."""
    request, origin = begun
    monkeypatch.setattr("dataprotect.engine.databases.postgresql.full_system.starting._GONE_SECONDS", 0.5)
    full_system.stop(request, origin)
    full_system.exchange(request, origin)
    with pytest.raises(ForeseenError) as error:
        full_system.start(hooked(request, start=(start,), start_seconds=0.5), origin)
    assert code_of(error) == "full_system.not_started"
    assert said in error.value.message
    found = full_system.standing(request, origin)
    assert (found.place, found.running) == ("exchanged", False)
    full_system.start(request, origin)
    assert whole.rows() == (BACKED_UP, 100)


def test_a_server_that_dies_of_its_configuration_is_said(
    whole: Stage, begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, origin = begun
    monkeypatch.setattr("dataprotect.engine.databases.postgresql.full_system.starting._GONE_SECONDS", 0.5)
    full_system.stop(request, origin)
    full_system.exchange(request, origin)
    conf = whole.server.data / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "\nnonsense = on\n")
    try:
        with pytest.raises(ForeseenError) as error:
            full_system.start(request, origin)
        assert code_of(error) == "full_system.not_started"
        assert "pg_ctl ended with exit code 1" in error.value.message
    finally:
        conf.write_text(good)
    back = full_system.swap_back(request, origin)
    assert all(check.passed for check in back.checks)
    assert whole.rows() == (DAMAGED, 0)


def test_nothing_starts_while_it_is_exchanged(whole: Stage, begun) -> None:
    """A service manager that starts what was stopped meets the lock, under every name of the directory."""
    request, origin = begun
    full_system.stop(request, origin)
    data = whole.server.data
    aside = data.with_name("data_aside")
    with running.locked(data, place.account(origin.owner)):
        with pytest.raises(RuntimeError):
            whole.server.start()
        assert 'lock file "postmaster.pid" already exists' in (whole.server.folder / "server.log").read_text()
        data.rename(aside)
        assert (aside / "postmaster.pid").exists()
        aside.rename(data)
    assert not (data / "postmaster.pid").exists()
    full_system.start(request, origin)
    with pytest.raises(ForeseenError, match="process"), running.locked(data, place.account(origin.owner)):
        raise AssertionError("a running server's lock was taken")
    assert whole.rows() == (DAMAGED, 0), "and the server did not notice"


def test_an_emergency_stop_leaves_the_old_server_or_the_new_one(
    whole: Stage, begun, on_step: Callable[[str, Callable[[], None]], None]
) -> None:
    """By the file alone: nobody passes a reporter. Taking back, starting, finishing go on."""
    request, origin = begun
    file = stop_file.place()
    try:
        file.write_text("wrong server")
        with pytest.raises(EmergencyStop, match="wrong server"):
            full_system.stop(request, origin)
        assert full_system.standing(request, origin).running
        file.unlink()
        on_step("full_system.stopped", file.touch)
        full_system.stop(request, origin)
        with pytest.raises(EmergencyStop):
            full_system.exchange(request, origin)
        assert full_system.standing(request, origin).place == "restored"
        full_system.start(request, origin)
        assert whole.rows() == (DAMAGED, 0)
        file.unlink()
        full_system.stop(request, origin)
        on_step("full_system.moved.2", lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            full_system.exchange(request, origin)
        file.touch()
        assert full_system.exchange(request, origin).moves == 2, "a half exchange is finished"
        full_system.swap_back(request, origin)
        assert whole.rows() == (DAMAGED, 0)
    finally:
        file.unlink(missing_ok=True)


def test_an_emergency_stop_while_it_is_restored(
    whole: Stage, on_step: Callable[[str, Callable[[], None]], None]
) -> None:
    request, origin = whole.begin()
    file = stop_file.place()
    on_step("full_system.restoring", file.touch)
    try:
        with pytest.raises(EmergencyStop):
            full_system.restore(whole.bench.repository, request, origin)
    finally:
        file.unlink()
    assert not whole.beside()


def test_another_server_at_the_address_is_not_believed(
    whole: Stage, begun, postgres15, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engine.postgresql.conftest import address_of

    request, origin = begun
    monkeypatch.setattr("dataprotect.engine.databases.postgresql.full_system.starting._GONE_SECONDS", 0.5)
    full_system.stop(request, origin)
    wrong = hooked(request, start=("/bin/true",), start_seconds=0.5)
    wrong = replace(wrong, target=replace(wrong.target, address=address_of(postgres15)))
    with pytest.raises(ForeseenError) as error:
        full_system.start(wrong, origin)
    assert code_of(error) == "full_system.not_started"
    assert "belongs to another cluster" in error.value.message


def test_a_full_disk_leaves_nothing_beside(whole: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    request, origin = whole.begin()
    repository = whole.bench.repository

    class Usage:
        free = 1_000_000

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: Usage)
        checks = {each.name: each for each in full_system.preflight(repository, request, origin)}
        assert checks["free space"].passed is False
        with pytest.raises(ForeseenError) as error:
            full_system.restore(repository, request, origin)
    assert code_of(error) == "restore.no_room"
    assert not whole.beside()
    assert full_system.standing(request, origin).place == "untouched"


def test_room_that_runs_out_while_it_is_written(whole: Stage) -> None:
    """A cancellation, a full disk, any failure: the directory beside is gone, its journal too."""

    class Failing(Silent):
        def advance(self, done_bytes: int) -> None:
            raise ForeseenError("restore.target_full", "There was no space left.", "Free space.")

    request, origin = whole.begin()
    with pytest.raises(ForeseenError, match="no space left"):
        full_system.restore(whole.bench.repository, request, origin, Failing())
    assert not whole.beside()
