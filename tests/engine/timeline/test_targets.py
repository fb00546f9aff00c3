"""What is said when a target lies in no window, and that no window's edge promises too much."""

from __future__ import annotations

import json

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import choice_record
from dataprotect.engine.model import as_plain
from dataprotect.engine.timeline import RecoveryWindows, recovery_windows
from dataprotect.engine.timeline_model import LATEST, Facts, Target
from tests.engine.timeline.scenes import backup, beats, facts, lsn_at, stretch, when, where


@pytest.fixture
def two() -> RecoveryWindows:
    """Windows 20.5 to 47 (last reading 45, less the margin) and 90 to 119."""
    return recovery_windows(
        facts(
            backups=(backup("a", 20, seconds=20.5), backup("b", 90)),
            stretches=(stretch(16, 48), stretch(64, 120)),
            beats=beats(16, 120),
        )
    )


def refused(found: RecoveryWindows, target: Target) -> str:
    with pytest.raises(ForeseenError) as error:
        found.choose_base(target)
    assert error.value.code == "target.outside"
    return error.value.message


def test_both_sides_are_named_in_whole_seconds(two: RecoveryWindows) -> None:
    assert refused(two, when(60)) == (
        "2026-11-22T12:01:00Z lies in no recovery window. Nearest to it are 2026-11-22T12:00:44Z before it "
        "and 2026-11-22T12:01:30Z after it."
    )


def test_what_is_named_can_be_chosen(two: RecoveryWindows) -> None:
    for second in (44, 90, 21):
        assert two.choose_base(when(second))


def test_a_choice_is_read_back_as_it_was_written(two: RecoveryWindows) -> None:
    for target in (when(30), where(100), Target("name", name="release"), LATEST):
        choice = two.choose_base(target)
        assert choice_record.of_plain(json.loads(json.dumps(as_plain(choice)))) == choice


def test_before_everything_only_the_first_instant_is_named_rounded_up(two: RecoveryWindows) -> None:
    assert refused(two, when(1)).endswith("Nearest is 2026-11-22T12:00:21Z after it.")


def test_behind_everything_only_the_last_one(two: RecoveryWindows) -> None:
    assert refused(two, when(500)).endswith("Nearest is 2026-11-22T12:01:59Z before it.")


def test_positions_are_answered_with_positions(two: RecoveryWindows) -> None:
    assert refused(two, where(60)) == (
        "LSN 0/3C00000 lies in no recovery window. Nearest to it are LSN 0/3000000 before it "
        "and LSN 0/5A00000 after it."
    )


def test_a_backup_alone_is_named_as_such() -> None:
    found = recovery_windows(facts(lineages=(), backups=(backup("alone", 20, seconds=20.25),)))
    assert refused(found, when(30)).endswith(
        "Nearest is 2026-11-22T12:00:20.250Z before it (the backup alone alone)."
    )


def test_edges_belong_to_the_window(two: RecoveryWindows) -> None:
    first, second = two.windows
    assert two.choose_base(Target("time", at=first.start_at)).base.backup_id == "a"
    assert two.choose_base(Target("time", at=first.end_at)).log_end <= first.end_position
    assert two.choose_base(Target("lsn", position=second.start_position)).base.backup_id == "b"
    at_end = two.choose_base(Target("lsn", position=second.end_position))
    assert (at_end.base.backup_id, at_end.ends_log) == ("b", True)
    assert refused(two, Target("lsn", position=second.end_position + 1))
    assert refused(two, Target("lsn", position=second.start_position - 1))


def test_the_latest_is_the_end_of_the_newest_log(two: RecoveryWindows) -> None:
    choice = two.choose_base(LATEST)
    assert (choice.base.backup_id, choice.log_end, choice.ends_log) == ("b", lsn_at(120), True)


def test_a_restore_point_may_lie_anywhere_so_all_log_may_be_needed(two: RecoveryWindows) -> None:
    choice = two.choose_base(Target("name", name="before_release"))
    assert (choice.base.backup_id, choice.log_end, choice.ends_log) == ("b", lsn_at(120), False)


def test_without_a_good_backup_it_says_what_to_do() -> None:
    with pytest.raises(ForeseenError) as error:
        recovery_windows(Facts()).choose_base(LATEST)
    assert (error.value.code, error.value.action.split()[0]) == ("target.no_window", "Take")
