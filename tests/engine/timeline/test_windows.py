"""Golden cases: what can be restored after failovers, gaps and lost files, and why not the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dataprotect.engine.timeline import RecoveryWindows, recovery_windows
from dataprotect.engine.timeline_model import LATEST, Beat, Lineage, RecoveryWindow, Switch
from tests.engine.timeline.scenes import (
    CLUSTER,
    LOG,
    MIB,
    at,
    backup,
    beats,
    facts,
    forked,
    lost,
    lsn_at,
    stretch,
    when,
    where,
)

A = backup("a", 20)


def spans(found: RecoveryWindows) -> list[tuple[float, float, int]]:
    return [
        (window.start_position / MIB, window.end_position / MIB, window.timeline) for window in found.windows
    ]


def codes(found: RecoveryWindows) -> list[tuple[float, float, str]]:
    return [(gap.start_position / MIB, gap.end_position / MIB, gap.code) for gap in found.gaps]


def only(found: RecoveryWindows) -> RecoveryWindow:
    assert len(found.windows) == 1
    return found.windows[0]


def test_log_behind_a_backup_is_a_window_from_its_stop_to_the_end_of_the_log() -> None:
    found = recovery_windows(facts(backups=(A,), stretches=(stretch(16, 100),), beats=beats(16, 100)))
    window = only(found)
    assert (window.start_at, window.end_at) == (at(20), at(99))
    assert spans(found) == [(20, 100, 1)]
    assert (window.point, window.abandoned, window.backup_ids) == (False, False, ("a",))
    assert codes(found) == [], "what the first segment holds from before the first backup is no gap"


def test_more_than_a_segment_before_the_first_good_backup_is_a_gap() -> None:
    found = recovery_windows(facts(backups=(A,), stretches=(stretch(0, 100),)))
    assert codes(found) == [(0, 20, "timeline.no_base")]


def test_a_server_restored_twice_to_ever_earlier_points_has_the_past_it_was_restored_to() -> None:
    """PostgreSQL 15 writes such a history: timeline 2 began at 80, was left at 60; 60 to 80 is not its."""
    history = {
        (LOG.name, 2): (Switch(1, lsn_at(80)),),
        (LOG.name, 3): (Switch(1, lsn_at(80)), Switch(2, lsn_at(60))),
    }
    stored = (stretch(16, 100), stretch(80, 120, 2), stretch(48, 90, 3))
    found = recovery_windows(facts(backups=(A,), stretches=stored, histories=history))
    assert (20, 90, 3) in spans(found)
    assert [leg[:3] for leg in found.choose_base(where(70)).line.legs] == [
        (1, 0, lsn_at(60)), (3, lsn_at(60), None),
    ]  # fmt: skip
    assert {(window.timeline, window.abandoned) for window in found.windows} == {
        (3, False), (2, True), (1, True),
    }  # fmt: skip


def test_after_a_restore_is_taken_back_the_line_before_it_is_the_one_that_counts() -> None:
    again = Lineage("20261122T120300Z-bbbb", CLUSTER, at(180))
    stored = (stretch(16, 100), stretch(48, 170, 2), stretch(96, 130, 1, again))
    given = facts(
        backups=(A,), lineages=(LOG, again), stretches=stored, histories=forked(60), beats=beats(16, 100)
    )
    found = recovery_windows(given)
    assert {(window.timeline, window.abandoned) for window in found.windows} == {(1, False), (2, True)}
    latest = found.choose_base(LATEST)
    assert (latest.line.timeline, latest.reach_end) == (1, lsn_at(100)), "and not what was taken back"
    based = replace(given, backups=(A, backup("b", 120, 190)))
    assert recovery_windows(based).choose_base(LATEST).base.backup_id == "b"


def test_a_backup_without_log_stands_alone_at_its_own_stop() -> None:
    found = recovery_windows(facts(lineages=(), backups=(backup("a", 20), backup("b", 50))))
    assert [(window.start_at, window.end_at, window.point) for window in found.windows] == [
        (at(20), at(20), True),
        (at(50), at(50), True),
    ]
    assert codes(found) == [(21, 50, "timeline.no_log")]
    assert found.choose_base(LATEST).base.backup_id == "b"


def test_a_backup_that_is_not_good_opens_no_window() -> None:
    found = recovery_windows(facts(backups=(backup("a", 20, good=False),), stretches=(stretch(16, 100),)))
    assert found.windows == ()
    assert codes(found) == [(16, 100, "timeline.no_base")]


def test_a_gap_in_the_middle_is_named_and_closed_by_the_next_backup() -> None:
    found = recovery_windows(
        facts(
            backups=(backup("a", 20), backup("b", 90)),
            stretches=(stretch(16, 48), stretch(64, 120)),
            beats=beats(16, 120),
            gaps=(lost(48, 64, acknowledged="anna", row=7),),
        )
    )
    assert spans(found) == [(20, 48, 1), (90, 120, 1)]
    assert codes(found) == [(48, 64, "logs.wal_removed"), (64, 90, "timeline.no_base")]
    gap = found.gaps[0]
    assert (gap.acknowledged, gap.row, gap.start_at, gap.end_at) == ("anna", 7, at(45), at(65))


def test_a_gap_nobody_noticed_is_named_all_the_same() -> None:
    found = recovery_windows(facts(backups=(A,), stretches=(stretch(16, 48), stretch(64, 120))))
    assert codes(found) == [(48, 64, "timeline.no_log"), (64, 120, "timeline.no_base")]


def test_the_log_of_a_backup_itself_bridges_a_gap_for_that_backup_only() -> None:
    found = recovery_windows(
        facts(
            backups=(backup("a", 20), backup("b", 50, own_end=lsn_at(70))),
            stretches=(stretch(16, 48), stretch(64, 120)),
        )
    )
    assert spans(found) == [(20, 48, 1), (50, 120, 1)]
    assert found.choose_base(where(100)).base.backup_id == "b"


def test_a_failover_goes_on_along_the_new_timeline() -> None:
    found = recovery_windows(
        facts(
            backups=(A,),
            stretches=(stretch(16, 72), stretch(64, 120, 2)),
            histories=forked(72),
            beats=beats(16, 70) + beats(75, 120, 2),
        )
    )
    assert spans(found) == [(20, 120, 2)]
    choice = found.choose_base(when(100))
    assert (choice.base.backup_id, choice.line.timeline) == ("a", 2)
    assert found.choose_base(when(30)).line.timeline == 2, "the line that is followed, whatever the instant"


def test_the_end_of_the_old_timeline_may_be_missing_when_the_new_segment_holds_it() -> None:
    """The old primary died before its last segment was shipped; the new one begins with a copy of it."""
    found = recovery_windows(
        facts(backups=(A,), stretches=(stretch(16, 64), stretch(64, 120, 2)), histories=forked(72))
    )
    assert spans(found) == [(20, 120, 2)]


def test_log_lost_before_a_failover_breaks_the_chain() -> None:
    found = recovery_windows(
        facts(backups=(A,), stretches=(stretch(16, 48), stretch(64, 120, 2)), histories=forked(72))
    )
    assert spans(found) == [(20, 48, 1)]
    assert codes(found) == [(48, 64, "timeline.no_log"), (64, 120, "timeline.no_base")]


def test_what_the_old_primary_wrote_after_the_failover_is_an_abandoned_branch() -> None:
    found = recovery_windows(
        facts(
            backups=(A,),
            stretches=(stretch(16, 90), stretch(64, 120, 2)),
            histories=forked(72),
            beats=beats(16, 90) + beats(130, 135, 2),
        )
    )
    assert {(*span, window.abandoned) for span, window in zip(spans(found), found.windows, strict=True)} == {
        (20, 120, 2, False),
        (72, 90, 1, True),
    }
    assert found.choose_base(where(80)).line.timeline == 2, "what is followed goes first"


def test_a_backup_taken_behind_the_fork_is_no_base_for_the_new_timeline() -> None:
    found = recovery_windows(
        facts(
            backups=(backup("a", 20), backup("late", 85)),
            stretches=(stretch(16, 90), stretch(64, 120, 2)),
            histories=forked(72),
        )
    )
    assert found.choose_base(where(110)).base.backup_id == "a"


def test_without_its_history_a_timeline_cannot_be_joined() -> None:
    found = recovery_windows(
        facts(
            backups=(backup("a", 20), backup("b", 100, timeline=2)),
            stretches=(stretch(16, 72), stretch(64, 120, 2)),
            beats=beats(16, 70) + beats(75, 120, 2),
        )
    )
    assert spans(found) == [(20, 72, 1), (100, 120, 2)]
    assert "timeline.no_history" in [gap.code for gap in found.gaps]


def test_a_server_put_back_in_its_own_log_begins_anew() -> None:
    """Both logs bear the same names; a backup goes with the log that was collected when it was taken."""
    again = Lineage("20261122T120300Z-bbbb", CLUSTER, at(180))
    found = recovery_windows(
        facts(
            lineages=(LOG, again),
            backups=(backup("a", 20), backup("b", 90, seconds=200)),
            stretches=(stretch(16, 100), stretch(64, 160, lineage=again)),
        )
    )
    assert spans(found) == [(20, 100, 1), (90, 160, 1)]
    assert [window.backup_ids for window in found.windows] == [("a",), ("b",)]
    assert "timeline.went_back" in [gap.code for gap in found.gaps]
    assert found.choose_base(where(95)).base.backup_id == "b", "the newer lineage goes first"


def test_another_cluster_is_never_joined() -> None:
    other = Lineage("20261122T120300Z-cccc", "7000000000000000002", at(180))
    found = recovery_windows(
        facts(
            lineages=(LOG, other),
            backups=(A,),
            stretches=(stretch(16, 48), stretch(48, 96, lineage=other)),
        )
    )
    assert spans(found) == [(20, 48, 1)]


def test_incremental_bases_are_bases_and_the_newest_before_the_target_is_chosen() -> None:
    bases = (
        backup("full", 20),
        backup("diff", 40, type="differential"),
        backup("inc", 60, type="incremental"),
    )
    found = recovery_windows(facts(backups=bases, stretches=(stretch(16, 100),), beats=beats(16, 100)))
    assert only(found).backup_ids == ("full", "diff", "inc")
    chosen = [found.choose_base(when(second)).base.backup_id for second in (20, 39, 40, 59, 60, 99)]
    assert chosen == ["full", "full", "diff", "diff", "inc", "inc"]


def test_a_worker_whose_clock_is_behind_does_not_open_the_window_too_early() -> None:
    """By the server's own clock the backup stopped at 20; its worker wrote 13."""
    found = recovery_windows(
        facts(backups=(backup("a", 20, seconds=13),), stretches=(stretch(16, 100),), beats=beats(16, 100))
    )
    assert only(found).start_at == at(20)


def test_a_clock_set_back_ends_recovery_at_the_first_commit_that_is_later() -> None:
    """From 60 on the server's clock is 30 s behind: the instant 55 came twice, the first one counts."""
    turned = beats(16, 60) + tuple(
        beat._replace(at=beat.at - timedelta(seconds=30)) for beat in beats(65, 120)
    )
    found = recovery_windows(facts(backups=(A,), stretches=(stretch(16, 120),), beats=turned))
    assert found.choose_base(when(52)).bracket.high == Beat(at(55), lsn_at(55), 1)


def test_a_segment_whose_beginning_is_missing_is_no_log() -> None:
    found = recovery_windows(facts(backups=(A,), stretches=(stretch(18, 100),)))
    assert spans(found) == [
        (20, 21, 1),
    ]


def test_the_bracket_says_how_exactly_an_instant_is_known() -> None:
    found = recovery_windows(facts(backups=(A,), stretches=(stretch(16, 100),), beats=beats(16, 100)))
    choice = found.choose_base(when(52))
    assert choice.bracket.low is not None and choice.bracket.high is not None
    assert (choice.bracket.low.at, choice.bracket.high.at, choice.bracket.seconds) == (at(50), at(55), 5)
    assert (choice.log_end, choice.reach_end, choice.lost_seconds) == (lsn_at(55), lsn_at(100), 48)
