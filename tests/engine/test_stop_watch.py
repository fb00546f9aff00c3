"""The engine looks for the emergency stop itself: before every restore, at safe points, whoever calls it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dataprotect.core import stop_file
from dataprotect.core.errors import EmergencyStop
from dataprotect.core.progress import Silent
from dataprotect.engine import clones, full_system, replace, table_rescue
from dataprotect.engine.restore import restore_files
from dataprotect.engine.stop_watch import watchful

NOTHING: Any = SimpleNamespace(data_directory=Path("/nowhere"))
"""Nothing is looked at before the stop is."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "STOP"
    monkeypatch.setenv("EMERGENCY_STOP_FILE", str(place))
    yield place


@pytest.mark.parametrize(
    "door",
    [
        lambda: restore_files(NOTHING, NOTHING),
        lambda: clones.bring_up(NOTHING, NOTHING),
        lambda: replace.load(NOTHING),
        lambda: replace.validate(NOTHING),
        lambda: replace.swap_in(NOTHING, NOTHING),
        lambda: table_rescue.rescue(NOTHING),
        lambda: full_system.restore(NOTHING, NOTHING, NOTHING),
        lambda: full_system.stop(NOTHING, NOTHING),
    ],
)
def test_no_restore_begins_while_the_file_is_there(file: Path, door: Callable[[], object]) -> None:
    file.write_text("the wrong host")
    with pytest.raises(EmergencyStop, match="the wrong host"):
        door()


def test_it_is_seen_at_the_next_safe_point(file: Path) -> None:
    reporter = watchful(None)
    reporter.checkpoint()
    file.touch()
    with pytest.raises(EmergencyStop):
        reporter.checkpoint()


def test_the_callers_own_reasons_to_end_stay(file: Path) -> None:
    class Ending(Silent):
        def checkpoint(self) -> None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        watchful(Ending())


def test_only_a_reason_passes_it_by(file: Path) -> None:
    class Reasoned(Silent):
        despite_emergency_stop: str | None = None

    file.touch()
    reporter = Reasoned()
    with pytest.raises(EmergencyStop):
        watchful(reporter)
    reporter.despite_emergency_stop = "the dashboard is lost"
    assert watchful(reporter) is reporter


def test_a_pipe_in_its_place_stops_and_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    assert stop_file.reason(file) == f"the file {file} is there"


def test_a_folder_that_may_not_be_entered_stops(file: Path) -> None:
    file.parent.joinpath("plain").touch()
    assert stop_file.reason(file.parent / "plain" / "STOP")


def test_the_setting_names_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMERGENCY_STOP_FILE")
    assert stop_file.place() == Path("/tmp/BACKUP_EMERGENCY_STOP")
    monkeypatch.setenv("EMERGENCY_STOP_FILE", "~/stop")
    assert stop_file.place() == Path("~/stop").expanduser()
