"""Wall-clock expressions as instants, on ordinary days and on the two that are not 24 hours long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataprotect.core.errors import InvalidInput
from dataprotect.engine.cron import (
    DOUBLED,
    SKIPPED,
    check_cron,
    check_zone,
    latest,
    missed_between,
    next_runs,
    occurrences,
)

BERLIN = "Europe/Berlin"
GAP = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
"""02:00 becomes 03:00 in Berlin."""
FOLD = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
"""03:00 becomes 02:00 again in Berlin."""

ZONES = st.sampled_from(
    [BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
)
EXPRESSIONS = st.sampled_from(
    [
        "30 2 * * *", "0 * * * *", "*/15 * * * *", "0,30 1-3 * * *", "15 2 * * sun", "0 3 1 * *",
        "59 1 29 2 *", "*/20 2 * * *", "0 0 * * *", "45 1,2,3 * 3,4,10,11 *",
    ]
)  # fmt: skip
INSTANTS = st.datetimes(
    datetime(2023, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)
).map(lambda at: at.replace(microsecond=0))  # fmt: skip
AROUND_CHANGES = st.builds(
    lambda at, minutes: at + timedelta(minutes=minutes),
    st.sampled_from(
        [GAP, FOLD, datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC),
         datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)]
    ),
    st.integers(-600, 600),
)  # fmt: skip
WHENEVER = INSTANTS | AROUND_CHANGES


def hours(expression: str, after: datetime, count: int) -> list[str]:
    zone = ZoneInfo(BERLIN)
    return [f"{run.at.astimezone(zone):%H:%M%z}" for run in next_runs(expression, BERLIN, after, count)]


def test_a_run_in_the_skipped_hour_comes_right_after_it_and_says_so() -> None:
    (run, following) = next_runs("30 2 * * *", BERLIN, GAP - timedelta(hours=2), 2)
    assert (run.at, run.note) == (GAP, SKIPPED)
    assert following.at == GAP + timedelta(hours=23, minutes=30)
    assert following.note == ""


def test_several_runs_in_the_skipped_hour_are_one() -> None:
    assert hours("*/15 2 * * *", GAP - timedelta(hours=2), 2) == ["03:00+0200", "02:00+0200"]


def test_a_run_in_the_doubled_hour_comes_once_and_says_so() -> None:
    runs = next_runs("30 2 * * *", BERLIN, FOLD - timedelta(hours=2), 2)
    assert [run.at for run in runs] == [FOLD - timedelta(minutes=30), FOLD + timedelta(hours=24, minutes=30)]
    assert [run.note for run in runs] == [DOUBLED, ""]


def test_every_hour_means_every_hour_that_passes() -> None:
    assert hours("0 * * * *", FOLD - timedelta(minutes=90), 4) == [
        "02:00+0200", "02:00+0100", "03:00+0100", "04:00+0100",
    ]  # fmt: skip
    assert hours("30 * * * *", GAP - timedelta(minutes=60), 2) == ["01:30+0100", "03:30+0200"]


@settings(max_examples=25, deadline=None)
@given(EXPRESSIONS, ZONES, WHENEVER)
def test_occurrences_only_go_forward(expression: str, zone: str, after: datetime) -> None:
    runs = [run.at for run in islice(occurrences(expression, zone, after), 12)]
    assert runs[0] > after
    assert all(one < other for one, other in pairwise(runs))


@settings(max_examples=25, deadline=None)
@given(EXPRESSIONS, ZONES, WHENEVER)
def test_looking_back_and_looking_forward_agree(expression: str, zone: str, at: datetime) -> None:
    """The latest is an occurrence, and none lies between it and the present."""
    minute = at.replace(second=0)
    found = latest(expression, zone, minute)
    assert found is not None and found.at <= minute
    (again, following) = next_runs(expression, zone, found.at - timedelta(seconds=1), 2)
    assert (again.at, again.note) == (found.at, found.note)
    assert following.at > minute


@settings(max_examples=25, deadline=None)
@given(EXPRESSIONS, ZONES, WHENEVER, st.integers(0, 30))
def test_missed_ones_are_counted_exactly(expression: str, zone: str, after: datetime, count: int) -> None:
    runs = next_runs(expression, zone, after, count + 1)
    assert missed_between(expression, zone, after, runs[-1].at) == count


@settings(max_examples=25, deadline=None)
@given(EXPRESSIONS, ZONES, WHENEVER)
def test_without_a_change_of_the_clock_it_is_the_time_written(
    expression: str, zone: str, after: datetime
) -> None:
    minutes = {"*/15": {0, 15, 30, 45}, "0,30": {0, 30}, "*/20": {0, 20, 40}}
    for run in next_runs(expression, zone, after, 5):
        if not run.note:
            wanted = minutes.get(expression.split()[0]) or {int(expression.split()[0])}
            assert run.at.astimezone(ZoneInfo(zone)).minute in wanted


@pytest.mark.parametrize(
    "text",
    [
        "@reboot", "@daily", "* * * * * *", "0 0 * *", "0 0 31 2 *", "0 25 * * *", "60 0 * * *", "H 2 * * *",
        "R 2 * * *", "* * * * *", "*/2 * * * *", "0,3 * * * *", "0 0 * * mon tue", "0 0 * * \x00",
        "five o'clock",
        "0 0 ? * *", "0 0 1-", "2026-01-01",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_cron("full_cron", text)
    assert refused.value.code == "input.full_cron"
    assert refused.value.message.startswith("Expected ") and refused.value.message.endswith(".")


def test_what_is_a_schedule_is_taken() -> None:
    assert check_cron("full_cron", "  30  2 *  * 0 ") == "30 2 * * 0"
    assert check_cron("full_cron", "") == ""
    assert check_cron("full_cron", "0 2 l * *") == "0 2 l * *"
    assert check_cron("full_cron", "0 2 29 2 *") == "0 2 29 2 *"
    assert check_cron("full_cron", "0 2 * JAN-mar Mon,FRI") == "0 2 * JAN-mar Mon,FRI"


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_zone("timezone", name)
    assert check_zone("timezone", " Europe/Berlin ") == "Europe/Berlin"
