"""Estimates are as wide as what was measured, and there are none where nothing was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restores.spans import Measured, Span, span, total

SECONDS = st.floats(0.01, 1e6)
MEASURED = st.lists(st.builds(Measured, SECONDS, st.integers(1, 10**13)), min_size=1, max_size=20)
SPANS = st.builds(lambda low, more, count: Span(low, low + more, count), SECONDS, SECONDS, st.integers(0, 20))


def test_nothing_measured_is_no_estimate() -> None:
    assert span([]) is None and span([], 10**9) is None
    assert span([Measured(4.0)], 10**9) is None, "seconds without bytes are no rate"
    assert total([Span(1, 2, 1), None]) is None
    assert total([]) == Span(0, 0, 0)


def test_the_slowest_and_the_fastest_rate_bound_it() -> None:
    found = span([Measured(10.0, 1000), Measured(10.0, 500), Measured(3.0)], 2000)
    assert found == Span(20.0, 40.0, 2)
    assert span([Measured(3.0), Measured(9.0, 500)]) == Span(3.0, 9.0, 2), "without a size by seconds"


@given(MEASURED, st.integers(1, 10**13))
def test_whoever_is_measured_again_is_within_the_estimate(measured: list[Measured], size: int) -> None:
    found = span(measured, size)
    assert found is not None and 0 <= found.low <= found.high and found.count == len(measured)
    for each in measured:
        again = span(measured, each.size)
        assert again is not None
        assert again.low <= each.seconds * 1.000001 and each.seconds <= again.high * 1.000001


@given(MEASURED, st.integers(1, 10**12), st.integers(2, 10))
def test_twice_the_bytes_take_twice_as_long(measured: list[Measured], size: int, factor: int) -> None:
    one, more = span(measured, size), span(measured, size * factor)
    assert one is not None and more is not None
    assert more.low == pytest.approx(one.low * factor) and more.high == pytest.approx(one.high * factor)


@given(SPANS, SECONDS)
def test_what_is_left_shrinks_to_nothing_and_not_below(found: Span, passed: float) -> None:
    left = found.after(passed)
    assert 0 <= left.low <= left.high <= found.high
    assert found.after(found.high) == Span(0, 0, found.count)


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_steps_follow_one_another(spans: list[Span]) -> None:
    found = total(spans)
    assert found is not None
    assert found.low == pytest.approx(sum(each.low for each in spans))
    assert found.high == pytest.approx(sum(each.high for each in spans))
    assert found.count == min((each.count for each in spans if each.count), default=0)
