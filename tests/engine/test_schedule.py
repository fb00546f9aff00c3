"""What is due: once, whatever was missed; the greatest backup for all; never in a blackout."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import takewhile
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from dataprotect.engine.cron import occurrences
from dataprotect.engine.schedule import (
    BACKUPS,
    Blackout,
    Kind,
    Plan,
    Waiting,
    choose,
    due,
    free_from,
    held,
    next_runs,
    overdue,
)

START = datetime(2026, 6, 1, 0, 0, 30, tzinfo=UTC)
CRITICAL = Plan(
    "UTC",
    {
        "full": "0 1 * * 0", "differential": "0 1 * * *", "incremental": "0 * * * *",
        "restore_test": "0 4 * * *", "pitr_test": "30 5 * * 1", "audit": "0 6 1 * *",
    },
)  # fmt: skip
KINDS = st.sampled_from(list(CRITICAL.crons))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
BLACKOUTS = st.builds(
    lambda days, start, end: Blackout("maintenance", frozenset(days), start, end),
    st.sets(st.integers(1, 7), min_size=1, max_size=6),
    TIMES,
    TIMES,
)
PLANS = st.builds(
    lambda zone, window, blackouts: Plan(
        zone, CRITICAL.crons, window if window[0] != window[1] else None, tuple(blackouts)
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.tuples(TIMES, TIMES),
    st.lists(BLACKOUTS, max_size=2),
)
STEPS = st.lists(st.integers(1, 5 * 24 * 3600), min_size=1, max_size=12)
"""Seconds between two looks: from one to five days of nobody looking."""


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_every_occurrence_is_accounted_for_exactly_once(steps: list[int]) -> None:
    """However irregularly it is looked at: due or missed, never both, never twice, never neither."""
    last: dict[Kind, datetime] = {}
    accounted = dict.fromkeys(CRITICAL.crons, 0)
    now = START
    for step in steps:
        now += timedelta(seconds=step)
        found = due(CRITICAL, since=START, last=last, now=now)
        assert len({run.kind for run in found}) == len(found), "one of a kind, however many were missed"
        for run in found:
            assert START < run.due_at <= now
            accounted[run.kind] += 1 + run.missed
            last[run.kind] = run.due_at
        assert due(CRITICAL, since=START, last=last, now=now) == [], "nothing is due twice"
    minute = now.replace(second=0)
    for kind, text in CRITICAL.crons.items():
        there = takewhile(lambda run: run.at <= minute, occurrences(text, "UTC", START))
        assert accounted[kind] == len(list(there))


def test_ten_missed_hours_make_one_run_that_says_so() -> None:
    now = START + timedelta(hours=10, minutes=1)
    (run,) = [one for one in due(CRITICAL, since=START, last={}, now=now) if one.kind == "incremental"]
    assert (run.due_at.hour, run.missed) == (10, 9)
    assert run.note == "9 earlier runs were missed; this one stands for all."


def test_nothing_is_due_before_the_plan_began() -> None:
    assert due(CRITICAL, since=START, last={}, now=START + timedelta(minutes=59)) == []


def test_an_instance_without_a_backup_gets_a_full_one_at_once_and_once() -> None:
    now = START + timedelta(hours=1, minutes=10)
    (run,) = due(CRITICAL, since=START, last={}, now=now, unprotected=True)
    assert (run.kind, run.due_at) == ("full", START)
    again = due(CRITICAL, since=START, last={"full": START, "incremental": now}, now=now, unprotected=True)
    assert [one.kind for one in again] == ["differential"]


def test_a_clock_that_was_set_back_makes_nothing_due_twice() -> None:
    now = START + timedelta(hours=5)
    last: dict[Kind, datetime] = {
        run.kind: run.due_at for run in due(CRITICAL, since=START, last={}, now=now)
    }
    assert due(CRITICAL, since=START, last=last, now=now - timedelta(hours=3)) == []


@given(st.lists(st.tuples(KINDS, st.integers(0, 10_000)), max_size=20))
def test_of_what_waits_the_greatest_backup_and_the_newest_of_the_rest_start(
    kinds: list[tuple[Kind, int]],
) -> None:
    waiting = [Waiting(key, kind, START + timedelta(minutes=at)) for key, (kind, at) in enumerate(kinds)]
    choice = choose(waiting)
    keys = [run.key for run in choice.start] + [run.key for run, _ in choice.covered]
    assert sorted(keys) == list(range(len(waiting))), "each is started or covered, none is lost"
    backups = [run for run in choice.start if run.kind in BACKUPS]
    assert len(backups) == any(run.kind in BACKUPS for run in waiting)
    for run, by in choice.covered:
        assert by in choice.start
        if run.kind in BACKUPS:
            assert BACKUPS.index(by.kind) <= BACKUPS.index(run.kind)
        else:
            assert by.kind == run.kind and by.due_at >= run.due_at


def test_which_one_starts_does_not_depend_on_the_order_they_are_seen_in() -> None:
    rows = [Waiting(key, cast(Kind, kind), START) for key, kind in enumerate(CRITICAL.crons)]
    one, other = choose(rows), choose(reversed(rows))
    assert {run.key for run in one.start} == {run.key for run in other.start}


@settings(max_examples=25, deadline=None)
@given(PLANS, KINDS, st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)))
def test_the_first_free_instant_is_free_and_the_first(plan: Plan, kind: Kind, at: datetime) -> None:
    free = free_from(plan, kind, at)
    if free is None:
        assert held(plan, kind, at)
        return
    assert free >= at and not held(plan, kind, free)
    if free > at:
        assert held(plan, kind, at) and held(plan, kind, free - timedelta(seconds=1))


def test_the_window_is_for_backups_and_goes_over_midnight() -> None:
    plan = Plan("Europe/Berlin", CRITICAL.crons, (time(22), time(6)))
    noon, night = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 7, 1, 21, tzinfo=UTC)
    assert (
        held(plan, "incremental", noon) == "It waits for the backup window, 22:00 to 06:00 (Europe/Berlin)."
    )
    assert not held(plan, "full", night)
    assert not held(plan, "restore_test", noon)
    assert free_from(plan, "full", noon) == datetime(2026, 7, 1, 20, tzinfo=UTC)


def test_a_blackout_belongs_to_the_day_on_which_it_begins() -> None:
    friday = Blackout("weekly batch", frozenset({5}), time(22), time(4))
    plan = Plan("UTC", CRITICAL.crons, None, (friday,))
    assert (
        held(plan, "full", datetime(2026, 6, 6, 3, 59, tzinfo=UTC))
        == "A blackout holds it back: weekly batch."
    )
    assert not held(plan, "full", datetime(2026, 6, 5, 3, 59, tzinfo=UTC))
    assert not held(plan, "audit", datetime(2026, 6, 5, 23, 0, tzinfo=UTC))


def test_next_runs_show_one_backup_a_minute_and_what_it_covers() -> None:
    runs = next_runs(CRITICAL, datetime(2026, 6, 7, 0, 30, tzinfo=UTC))
    assert [(run.kind, run.due_at.hour) for run in runs[:3]] == [
        ("full", 1), ("incremental", 2), ("incremental", 3),
    ]  # fmt: skip
    assert {(run.kind, run.due_at.hour) for run in runs[3:]} == {("incremental", 4), ("restore_test", 4)}
    assert runs[0].note == "It covers the differential and the incremental of the same minute."


def test_overdue_is_what_has_not_succeeded_in_time() -> None:
    now = datetime(2026, 6, 8, 12, 0, tzinfo=UTC)
    since = now - timedelta(days=30)
    found = overdue(CRITICAL, since=since, succeeded={}, now=now)
    assert [(one.kind, one.due_at.hour) for one in found] == [
        ("full", 1), ("differential", 1), ("incremental", 11), ("restore_test", 4), ("pitr_test", 5),
        ("audit", 6),
    ]  # fmt: skip
    met: dict[Kind, datetime] = {"full": now - timedelta(minutes=30)}
    left = {one.kind for one in overdue(CRITICAL, since=since, succeeded=met, now=now)}
    assert left == {"restore_test", "pitr_test", "audit"}, "a full backup is worth all lesser ones"
    lesser: dict[Kind, datetime] = {"incremental": now - timedelta(minutes=30)}
    left = {one.kind for one in overdue(CRITICAL, since=since, succeeded=lesser, now=now)}
    assert {"full", "differential"} <= left, "and a lesser one not worth a greater"


def test_within_the_allowance_nothing_is_overdue() -> None:
    now = datetime(2026, 6, 8, 12, 30, tzinfo=UTC)
    done: dict[Kind, datetime] = {kind: now - timedelta(minutes=85) for kind in CRITICAL.crons}
    assert overdue(CRITICAL, since=START, succeeded=done, now=now) == []
    assert [
        one.kind for one in overdue(CRITICAL, since=START, succeeded=done, now=now + timedelta(minutes=30))
    ] == ["incremental"]
