"""Where a stream goes on, for every way a server can have moved; and how old the newest stored commit is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.engine.databases.postgresql import log_origin
from dataprotect.engine.databases.postgresql.log_resume import Resume, resume, timeline_of
from dataprotect.engine.logs import Exposure

LEFT = 0x500


@pytest.mark.parametrize(
    ("stored", "past", "timeline", "position", "history", "expected"),
    [
        (None, [], 1, 0x900, [], (1, 0x100, False)),
        (None, [], 2, 0x900, [(1, LEFT)], (1, 0x100, False)),
        ((1, 0x700), [], 1, 0x900, [], (1, 0x700, False)),
        ((1, 0x900), [], 1, 0x900, [], (1, 0x900, False)),
        ((1, 0xA00), [], 1, 0x900, [], (1, 0x100, True)),
        ((1, 0x400), [], 2, 0x900, [(1, LEFT)], (1, 0x400, False)),
        ((1, LEFT), [], 2, 0x900, [(1, LEFT)], (2, LEFT, False)),
        ((1, 0x600), [], 2, 0x900, [(1, LEFT)], (2, LEFT, False)),
        ((1, 0x600), [], 3, 0x900, [(1, LEFT), (2, 0x700)], (2, LEFT, False)),
        ((2, 0x600), [(1, LEFT)], 3, 0x900, [(1, LEFT), (2, 0x700)], (2, 0x600, False)),
        ((1, 0x400), [], 3, 0x900, [(1, LEFT), (2, 0x300)], (3, 0x300, False)),
        ((2, 0x600), [(1, LEFT)], 3, 0x900, [(1, LEFT), (2, 0x300)], (3, 0x300, False)),
        ((2, 0x600), [(1, 0x300)], 3, 0x900, [(1, LEFT), (2, 0x700)], (1, 0x100, True)),
        ((2, 0x600), [(1, LEFT)], 1, 0x900, [], (1, 0x100, True)),
        ((2, 0x600), [(1, LEFT)], 3, 0x900, [(1, 0x580)], (1, 0x100, True)),
    ],
)
def test_resume(stored, past, timeline, position, history, expected):
    found = resume(stored, past, timeline, position, history, 0x100)
    assert (found.timeline, found.position, found.went_back) == expected


def test_commits_beyond_the_fork_need_a_new_base():
    assert resume((1, 0x600), [], 2, 0x900, [(1, LEFT)], 0x100).base_reason
    assert not resume((1, 0x400), [], 2, 0x900, [(1, LEFT)], 0x100).base_reason


SERVER = log_origin._Server("7", 2, 0x900, [(1, LEFT)], 0x100, False)
_REMOVED = f"{log_origin._REMOVED}."


@pytest.mark.parametrize(
    ("stored", "place", "expected"),
    [
        ((1, 0x450), Resume(2, 0x7A0, False, _REMOVED), (1, 0x450, 0x700)),
        ((1, 0x800), Resume(2, 0x7A0, False, _REMOVED), (2, LEFT, 0x700)),
        ((1, 0x800), Resume(2, 0x520, False, _REMOVED), None),
        ((2, 0x600), Resume(2, 0x7A0, False, _REMOVED), (2, 0x600, 0x700)),
        ((3, 0x800), Resume(2, 0x350, True, "back"), (3, 0x800, 0x800)),
        ((1, 0x800), Resume(2, LEFT, False, "left before the stored end"), None),
    ],
)
def test_what_is_lost_lies_on_the_line_that_is_followed(stored, place, expected):
    """Log of the old timeline beyond the switch hides nothing that is missing of the new one."""
    gap = log_origin._gap(stored, place, SERVER, lost=False)
    assert (gap and (gap.timeline, gap.start, gap.end)) == expected


def test_timeline_of_a_position():
    history = [(1, 0x300), (3, 0x700)]
    assert [timeline_of(at, 4, history) for at in (0x2FF, 0x300, 0x6FF, 0x700)] == [1, 3, 3, 4]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=30),
    st.integers(0, 2000),
)
def test_exposure_never_claims_what_is_not_stored(steps, stored):
    exposure, position, at = Exposure(), 0, 0.0
    marks = []
    for forward, later in steps:
        position, at = position + forward, at + later
        exposure.mark(position, at, apart=0)
        marks.append((position, at))
    exposure.stored(stored)
    covered = [when for place, when in marks if place <= stored]
    assert exposure.seconds(at) == (at - max(covered) if covered else None)
