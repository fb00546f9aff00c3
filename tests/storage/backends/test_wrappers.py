"""Retries, limits and counts around any backend: they conform themselves, and stand up to a hostile one."""

from __future__ import annotations

import threading

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import ObjectExists, ObjectMissing, StorageFull
from dataprotect.storage.backends.limit import LimitedBackend, TokenBucket
from dataprotect.storage.backends.local import LocalBackend
from dataprotect.storage.backends.metering import Meter, MeteredBackend
from dataprotect.storage.backends.retry import RetryingBackend, RetryPolicy
from tests.storage.backends.conformance import BackendConformance
from tests.storage.backends.hostile import (
    Hang,
    HostileBackend,
    cut_short,
    disk_full,
    lost_answer,
    server_error,
)


class TestRetrying(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path):
        return lambda: RetryingBackend(LocalBackend(tmp_path / "r"), sleep=lambda seconds: None)


class TestLimited(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path):
        return lambda: LimitedBackend(LocalBackend(tmp_path / "r"), TokenBucket(1e9), concurrency=2)


class TestMetered(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path):
        return lambda: MeteredBackend(LocalBackend(tmp_path / "r"), Meter())


class TestAllTogether(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path):
        def make():
            limited = LimitedBackend(LocalBackend(tmp_path / "r"), TokenBucket(1e9))
            return MeteredBackend(RetryingBackend(limited, sleep=lambda seconds: None), Meter())

        return make


@pytest.fixture
def hostile(tmp_path) -> HostileBackend:
    return HostileBackend(tmp_path / "hostile")


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def retrying(hostile, waits) -> RetryingBackend:
    return RetryingBackend(hostile, RetryPolicy(attempts=4, first=1, longest=3), sleep=waits.append)


def test_a_transient_failure_is_repeated_with_growing_jittered_waits(hostile, retrying, waits):
    hostile.script["put"] = [server_error, server_error, server_error]
    retrying.put("x", b"bytes")
    assert hostile.read("x") == b"bytes"
    assert len(waits) == 3
    for wait, full in zip(waits, [1, 2, 3], strict=True):
        assert full / 2 <= wait <= full


def test_it_gives_up_with_the_last_error(hostile, retrying, waits):
    hostile.script["put"] = [server_error] * 10
    with pytest.raises(ForeseenError, match="500"):
        retrying.put("x", b"bytes")
    assert len(waits) == 3
    assert [kind for kind, _ in hostile.calls] == ["put"] * 4


@pytest.mark.parametrize("kind", ["create", "read", "delete", "list", "stream"])
def test_every_kind_of_call_is_repeated(hostile, retrying, kind):
    hostile.put("x", b"bytes")
    hostile.script[kind] = [server_error]
    if kind == "create":
        retrying.create("y").abort()
    elif kind == "read":
        assert retrying.read("x") == b"bytes"
    elif kind == "delete":
        retrying.delete("x")
    elif kind == "list":
        assert [item.name for item in retrying.list()] == ["x"]
    else:
        assert b"".join(retrying.stream("x")) == b"bytes"


def test_a_full_disk_and_a_missing_object_are_not_repeated(hostile, retrying, waits):
    hostile.script["put"] = [disk_full]
    with pytest.raises(StorageFull):
        retrying.put("x", b"bytes")
    with pytest.raises(ObjectMissing):
        retrying.read("missing")
    assert waits == []


def test_a_bug_is_not_repeated(hostile, retrying, waits):
    def bug(call):
        raise AttributeError("a mistake of ours")

    hostile.script["read"] = [bug]
    with pytest.raises(AttributeError):
        retrying.read("x")
    assert waits == []


def test_a_put_whose_answer_was_lost_succeeds(hostile, retrying):
    hostile.script["put"] = [lost_answer]
    retrying.put("x", b"bytes")
    assert hostile.read("x") == b"bytes"


def test_a_put_that_another_won_is_still_refused_after_a_failure(hostile, retrying):
    def another_wins(call):
        hostile._real_put("x", b"the other's")
        raise ConnectionResetError

    hostile.script["put"] = [another_wins]
    with pytest.raises(ObjectExists):
        retrying.put("x", b"mine")
    assert hostile.read("x") == b"the other's"


def test_a_conditional_put_is_refused_even_for_equal_bytes_at_the_first_attempt(retrying):
    retrying.put("x", b"bytes")
    with pytest.raises(ObjectExists):
        retrying.put("x", b"bytes")


def test_a_stream_that_breaks_goes_on_where_it_was(hostile, retrying):
    data = bytes(range(256)) * 64
    hostile.put("x", data)
    hostile.script["stream"] = [None, None, server_error]
    hostile.script["read"] = [server_error]
    assert b"".join(retrying.stream("x", 1000)) == data


def test_a_list_that_breaks_names_everything_once(hostile, retrying):
    names = [f"object-{number:02d}" for number in range(20)]
    for name in names:
        hostile.put(name, b"")
    hostile.script["list"] = [None] * 7 + [server_error] + [None] * 12 + [server_error]
    assert [item.name for item in retrying.list()] == names


def test_a_cut_answer_is_not_silently_repaired(hostile, retrying):
    """Only digests can tell; the wrapper must hand on what came, not guess."""
    hostile.put("x", b"0123456789")
    hostile.script["read"] = [cut_short]
    assert retrying.read("x") == b"01234"


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 0.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def test_the_bandwidth_limit_holds_over_time():
    clock = Clock()
    bucket = TokenBucket(1000, burst=100, clock=lambda: clock.now, sleep=clock.sleep)
    for _ in range(100):
        bucket.take(100)
    assert clock.now == pytest.approx((100 * 100 - 100) / 1000)


def test_an_unused_burst_does_not_grow_without_end():
    clock = Clock()
    bucket = TokenBucket(1000, burst=100, clock=lambda: clock.now, sleep=clock.sleep)
    clock.now = 1e6
    bucket.take(100)
    assert clock.slept == 0
    bucket.take(1000)
    assert clock.slept == pytest.approx(1.0)


def test_both_directions_share_the_bandwidth(tmp_path):
    clock = Clock()
    bucket = TokenBucket(1000, burst=1, clock=lambda: clock.now, sleep=clock.sleep)
    backend = LimitedBackend(LocalBackend(tmp_path / "r"), bucket)
    backend.put("x", b"." * 1000)
    backend.read("x")
    b"".join(backend.stream("x"))
    writer = backend.create("y")
    writer.write(b"." * 1000)
    writer.commit()
    assert clock.slept == pytest.approx(4.0, abs=0.01)


def test_no_more_calls_than_allowed_are_under_way(hostile):
    hangs = [Hang(), Hang(), Hang()]
    hostile.put("x", b"bytes")
    hostile.script["read"] = list(hangs)
    backend = LimitedBackend(hostile, concurrency=2)
    threads = [threading.Thread(target=backend.read, args=("x",)) for _ in hangs]
    for thread in threads:
        thread.start()
    assert hangs[0].reached.wait(10)
    assert hangs[1].reached.wait(10)
    assert not hangs[2].reached.wait(0.3)
    hangs[0].released.set()
    assert hangs[2].reached.wait(10)
    for hang in hangs:
        hang.released.set()
    for thread in threads:
        thread.join(10)


def test_a_failed_call_gives_its_place_back(hostile):
    backend = LimitedBackend(hostile, concurrency=1)
    for _ in range(3):
        with pytest.raises(ObjectMissing):
            backend.read("missing")
    backend.put("x", b"y")


def test_counts_of_operations_bytes_and_failures(hostile):
    meter = Meter()
    backend = MeteredBackend(hostile, meter)
    backend.put("x", b"12345")
    backend.read("x", 1, 2)
    with pytest.raises(ObjectMissing):
        backend.read("missing")
    writer = backend.create("y")
    writer.write(b"123")
    writer.commit()
    counts = meter.snapshot()
    assert (counts["put"].operations, counts["put"].bytes) == (1, 5)
    assert (counts["read"].operations, counts["read"].bytes, counts["read"].failures) == (2, 2, 1)
    assert counts["write"].bytes == 3
    assert counts["commit"].seconds > 0
