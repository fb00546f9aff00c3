"""The adviser: reasons that follow from figures, predictions that move the right way, guesses that say so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataprotect.core.errors import InvalidInput
from dataprotect.engine.adviser import GB, Facts, Figure, advise, restore_time, size, span


def measured(value: float) -> Figure:
    return Figure(value, "measured by a test")


BIG = Facts(
    name="orders",
    size=measured(500 * GB),
    stored_share=measured(0.4),
    changed_per_day=measured(20 * GB),
    log_per_day=measured(200 * GB),
    backup_rate=measured(200e6),
    restore_rate=measured(400e6),
    replay_rate=measured(50e6),
    growth_per_day=measured(1 * GB),
    rto_seconds=3600,
    rpo_seconds=300,
    window_seconds=None,
    keep_full=20,
    keep_days=30,
    log_window_days=14,
    price=0.02,
)
AMOUNTS = st.floats(1e6, 1e14)
FACTS = st.builds(
    lambda total, changed, log, rate, rto, rpo: replace(
        BIG, size=measured(total), changed_per_day=measured(min(total, changed)), log_per_day=measured(log),
        restore_rate=measured(rate), rto_seconds=rto, rpo_seconds=rpo,
    ),
    AMOUNTS, AMOUNTS, AMOUNTS, st.floats(1e5, 1e10), st.integers(60, 10**6), st.integers(1, 10**6),
)  # fmt: skip


def test_a_large_database_with_few_changes_gets_all_three_and_why() -> None:
    found = advise(BIG)
    schedule = found.schedule
    assert (schedule.full_hours, schedule.differential_hours, schedule.stream_logs) == (168, 24, True)
    assert schedule.incremental_hours is not None and schedule.incremental_hours < 24
    text = " ".join(found.reasons)
    assert "A full backup every week" in text and "A differential one every day" in text
    assert "RTO of 60 min" in text and "RPO of 5 min" in text
    assert not found.guess and "measured by a test" in found.restore.detail


def test_where_most_pages_change_no_differential_ones_are_taken() -> None:
    found = advise(replace(BIG, changed_per_day=measured(150 * GB)))
    assert found.schedule.differential_hours is None
    assert any("No differential ones" in reason for reason in found.reasons)


def test_a_small_database_is_simply_backed_up_every_day() -> None:
    found = advise(
        replace(BIG, size=measured(2 * GB), changed_per_day=measured(1e8), log_per_day=measured(1e8))
    )
    assert (found.schedule.full_hours, found.schedule.differential_hours) == (24, None)
    assert found.schedule.incremental_hours is None


def test_what_no_schedule_can_meet_is_said() -> None:
    found = advise(replace(BIG, rto_seconds=60, window_seconds=600.0))
    assert any("No schedule meets the RTO" in words for words in found.warnings)
    assert any("backup window" in words for words in found.warnings)


def test_one_guess_makes_the_whole_a_guess() -> None:
    found = advise(replace(BIG, replay_rate=Figure(50e6, "a guess", guess=True)))
    assert found.guess and found.restore.guess and not found.backup.guess


def test_costs_grow_with_the_database_and_need_a_price() -> None:
    found = advise(BIG)
    assert [cost.months for cost in found.costs] == [0, 3, 6, 12]
    stored = [cost.stored_bytes for cost in found.costs]
    assert stored == sorted(stored) and stored[-1] == pytest.approx(stored[0] * (500 + 360) / 500)
    assert found.costs[0].per_month == pytest.approx(stored[0] / GB * 0.02)
    assert advise(replace(BIG, price=None)).costs[0].per_month is None


@settings(max_examples=50, deadline=None)
@given(FACTS)
def test_every_advice_is_whole(facts: Facts) -> None:
    found = advise(facts)
    assert found.reasons and found.restore.seconds > 0
    assert found.schedule.stream_logs == (facts.rpo_seconds < 86_400)
    hours = [found.schedule.full_hours, found.schedule.differential_hours, found.schedule.incremental_hours]
    assert [one for one in hours if one] == sorted((one for one in hours if one), reverse=True)


@settings(max_examples=50, deadline=None)
@given(FACTS, st.floats(1.1, 10))
def test_a_faster_place_never_restores_more_slowly(facts: Facts, factor: float) -> None:
    schedule = advise(facts).schedule
    faster = replace(facts, restore_rate=measured(facts.restore_rate.value * factor))
    assert restore_time(faster, schedule).seconds <= restore_time(facts, schedule).seconds


def test_nothing_known_is_refused() -> None:
    with pytest.raises(InvalidInput, match="probe it first"):
        advise(replace(BIG, size=Figure(0, "not known", guess=True)))


def test_amounts_are_said_in_one_unit() -> None:
    assert (size(0), size(1500), size(2.5e12)) == ("0 B", "1.5 kB", "2.5 TB")
    assert (span(0.5), span(119), span(7200), span(200_000)) == ("0.5 s", "1.98 min", "2 h", "2.31 d")
