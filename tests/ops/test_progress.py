"""How far a job is: honest numbers from many threads, never more than asked to write."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.ops import progress as module
from dataprotect.ops.progress import Progress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_rate_and_time_left_are_of_the_present_phase(clock: Clock) -> None:
    progress = Progress(_began=clock.now)
    progress.phase("copying", 1000)
    clock.now += 10
    progress.advance(400)
    snapshot, _ = progress.take()
    assert snapshot is not None
    assert (snapshot.done, snapshot.total, snapshot.rate, snapshot.eta) == (400, 1000, 40.0, 15.0)
    progress.phase("checking", None)
    clock.now += 5
    progress.advance(50)
    snapshot, _ = progress.take()
    assert snapshot is not None
    assert (snapshot.phase, snapshot.done, snapshot.rate, snapshot.eta) == ("checking", 50, 10.0, None)


def test_no_rate_from_an_instant_and_no_negative_time_left(clock: Clock) -> None:
    progress = Progress(_began=clock.now)
    progress.phase("copying", 100)
    progress.advance(50)
    first, _ = progress.take()
    assert first is not None and first.rate is None and first.eta is None
    clock.now += 1
    progress.advance(100)
    second, _ = progress.take()
    assert second is not None and second.eta == 0


def test_nothing_new_is_nothing_to_write() -> None:
    progress = Progress()
    progress.advance(1)
    assert progress.take()[0] is not None
    assert progress.take() == (None, [])


def test_what_could_not_be_written_comes_again_in_order() -> None:
    progress = Progress()
    progress.note("one")
    _, lines = progress.take()
    progress.note("two")
    progress.put_back(lines)
    snapshot, again = progress.take()
    assert again == ["one", "two"] and snapshot is not None


@given(st.lists(st.lists(st.integers(0, 1000), max_size=50), min_size=2, max_size=4))
def test_threads_lose_no_byte(amounts: list[list[int]]) -> None:
    progress = Progress()
    threads = [
        threading.Thread(target=lambda mine=mine: [progress.advance(n) for n in mine]) for mine in amounts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.advance(0)
    snapshot, _ = progress.take()
    assert snapshot is not None and snapshot.done == sum(map(sum, amounts))


@given(st.text())
def test_a_line_is_always_printable_and_short(text: str) -> None:
    progress = Progress()
    progress.note(text)
    _, lines = progress.take()
    assert len(lines) == 1 and lines[0].isprintable() and len(lines[0]) <= 2000


def test_lines_do_not_pile_up_while_nobody_writes() -> None:
    progress = Progress()
    for number in range(5000):
        progress.note(str(number))
    assert len(progress.take()[1]) == 1000
