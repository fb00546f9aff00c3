"""Thirty days in words: pure, so any history can be asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from catalog.selectors.strip import strip

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)


def days_ago(*numbers: float) -> list[datetime]:
    return sorted(NOW - timedelta(days=number) for number in numbers)


def words(
    good: list[datetime], failed: list[datetime] | None = None, created: datetime = LONG_AGO
) -> list[str]:
    days = strip(good=good, failed=failed or [], created_at=created, rpo_seconds=3600, now=NOW)
    return [day.state for day in days]


def test_a_backup_a_day_is_ok_every_day() -> None:
    assert words(days_ago(*range(0, 60))) == ["ok"] * 30


def test_a_nightly_backup_that_takes_longer_is_not_late() -> None:
    assert set(words(days_ago(*(number + 0.02 * (number % 3) for number in range(60))))) == {"ok"}


def test_a_day_without_is_missed_and_the_next_is_late() -> None:
    found = words(days_ago(*(number for number in range(60) if number != 5)))
    assert (found[24], found[25], found[26]) == ("missed", "late", "ok")


def test_failed_attempts_are_failed_unless_one_succeeds() -> None:
    good = days_ago(*(number for number in range(60) if number != 5))
    found = words(good, failed=days_ago(5, 3))
    assert (found[24], found[26]) == ("failed", "ok")


def test_nothing_was_due_before_it_was_registered_nor_is_today() -> None:
    assert words([], created=NOW - timedelta(days=3)) == ["none"] * 27 + ["missed"] * 2 + ["none"]


@given(st.lists(st.integers(0, 60 * 24), max_size=80), st.lists(st.integers(0, 30 * 24), max_size=20))
def test_a_day_is_good_exactly_when_a_good_backup_ended_that_day(good: list[int], failed: list[int]) -> None:
    ends = sorted(NOW - timedelta(hours=number) for number in good)
    tries = [NOW - timedelta(hours=number) for number in failed]
    days = strip(good=ends, failed=tries, created_at=LONG_AGO, rpo_seconds=300, now=NOW)
    assert len(days) == 30 and days[-1].day == NOW.date()
    for day in days:
        ended = sum(1 for end in ends if end.date() == day.day)
        assert day.good == ended
        assert (day.state in ("ok", "late")) == (ended > 0)
        assert (day.state == "failed") == (ended == 0 and any(end.date() == day.day for end in tries))
