"""What holds for every history: windows promise only what unbroken log proves, no more and no less."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import LATEST, BackupPoint, Facts, Stretch, Switch
from tests.engine.timeline.scenes import LOG, at, backup, beats, facts, lsn_at, when, where

END = 400


@st.composite
def histories(draw: st.DrawFn) -> Facts:
    """Up to three timelines, each leaving the one before somewhere; log with holes; backups anywhere."""
    count = draw(st.integers(1, 3))
    left = sorted(draw(st.lists(st.integers(40, 340), min_size=count - 1, max_size=count - 1, unique=True)))
    switches = [Switch(index + 1, lsn_at(place)) for index, place in enumerate(left)]
    known = {
        (LOG.name, timeline): tuple(switches[: timeline - 1])
        for timeline in range(2, count + 1)
        if draw(st.integers(0, 9))  # now and then a history file is lost
    }
    stretches, backups, read = [], [], []
    for timeline in range(1, count + 1):
        begin = left[timeline - 2] if timeline > 1 else 0
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(begin // 16, (END - 1) // 16)) * 16
            stretches.append(
                Stretch(LOG.name, timeline, lsn_at(start), lsn_at(draw(st.integers(start + 1, END))))
            )
        for number in range(draw(st.integers(0, 3))):
            stop = draw(st.integers(begin + 5, END))
            good = draw(st.integers(0, 4)) > 0
            backups.append(backup(f"b{timeline}-{number}", stop, timeline=timeline, good=good))
        read += beats(begin, END, timeline, every=draw(st.integers(7, 40)))
    return facts(backups=tuple(backups), stretches=tuple(stretches), histories=known, beats=tuple(read))


def proved(known: Facts, base: BackupPoint, legs: tuple[tuple[int, int, int | None], ...], end: int) -> bool:
    """Byte by byte (well, MiB by MiB): all log from the base's stop to `end` is stored with it or in logs.

    Written anew, the slow way, so that the windows are not judged by their own code.
    """
    mib = lsn_at(1)
    for position in range(base.stop_position, end, mib):
        left_at = legs_end(legs, base.timeline)
        if position < base.own_end and (left_at is None or position < left_at):
            continue
        segment = position - position % known.segment_size
        if not any(
            each.timeline == timeline
            and -(-each.start // known.segment_size) * known.segment_size <= position < each.end
            and begin - begin % known.segment_size <= position
            and segment >= begin - begin % known.segment_size
            and (left is None or position < left)
            for timeline, begin, left in legs
            for each in known.stretches
        ):
            return False
    return True


def legs_end(legs: tuple[tuple[int, int, int | None], ...], timeline: int) -> int | None:
    return next(end for number, _, end in legs if number == timeline)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(0, END + 20))
def test_a_choice_is_always_proved_by_unbroken_log(known: Facts, place: int) -> None:
    found = recovery_windows(known)
    for target in (when(place), where(place), LATEST):
        try:
            choice = found.choose_base(target)
        except ForeseenError as error:
            assert error.code in ("target.outside", "target.no_window")
            continue
        assert choice.base.good
        assert choice.base.stop_position <= choice.log_end
        assert any(leg.timeline == choice.base.timeline for leg in choice.line.legs)
        assert proved(known, choice.base, tuple(choice.line.legs), choice.log_end)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(0, END + 20))
def test_what_is_inside_a_window_is_chosen_and_what_is_outside_is_refused(known: Facts, place: int) -> None:
    found = recovery_windows(known)
    inside = any(window.start_at <= at(place) <= window.end_at for window in found.windows)
    try:
        found.choose_base(when(place))
        chosen = True
    except ForeseenError:
        chosen = False
    assert chosen == inside


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(0, END + 20))
def test_what_is_named_as_nearest_can_be_chosen_and_nothing_lies_between(known: Facts, place: int) -> None:
    found = recovery_windows(known)
    if any(window.start_at <= at(place) <= window.end_at for window in found.windows):
        return
    near = found.nearest(when(place))
    low = near.before.end_at if near.before else None
    high = near.after.start_at if near.after else None
    for window in found.windows:
        assert (low is not None and window.end_at <= low) or (high is not None and window.start_at >= high)
    assert (near.before or near.after) or not found.windows


@settings(max_examples=60, deadline=None)
@given(histories())
def test_no_gap_lies_inside_a_window(known: Facts) -> None:
    timelines = {each.timeline for each in (*known.stretches, *known.backups)}
    assume(all(timeline == 1 or (LOG.name, timeline) in known.histories for timeline in timelines))
    found = recovery_windows(known)
    followed = [each for each in found.windows if not each.abandoned]
    for gap in found.gaps:
        assert gap.reason.endswith(".")
        assert gap.start_position < gap.end_position
        for window in followed:
            assert window.end_position <= gap.start_position or gap.end_position <= window.start_position


@settings(max_examples=40, deadline=None)
@given(histories())
def test_more_log_never_takes_an_instant_away(known: Facts) -> None:
    if not known.stretches:
        return
    less = replace(known, stretches=known.stretches[1:])
    before, after = recovery_windows(less), recovery_windows(known)
    for place in range(0, END, 20):
        try:
            before.choose_base(where(place))
        except ForeseenError:
            continue
        after.choose_base(where(place))
