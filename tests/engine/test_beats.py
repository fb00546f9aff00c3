"""Heartbeats between the moment they are seen and the header they end up in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dataprotect.engine.logs import Beats
from dataprotect.storage.logs import Heartbeat


def beat(second: int) -> Heartbeat:
    return Heartbeat(datetime(2026, 11, 27, 10, 0, tzinfo=UTC) + timedelta(seconds=second), "0/100")


def test_one_that_comes_while_an_object_is_written_waits_for_the_next():
    beats = Beats()
    beats.add(beat(0), 0x100)
    beats.add(beat(5), 0x300)
    taken = beats.until(0x200)
    assert taken == (beat(0),)
    beats.add(beat(1), 0x180)
    beats.forget(taken)
    assert beats.until(0x200) == (beat(1),)
    assert beats.until(0x300) == (beat(5), beat(1))


def test_one_stays_until_it_is_stored():
    beats = Beats()
    beats.add(beat(0), 0x100)
    assert beats.until(0x100) == beats.until(0x100) == (beat(0),)
