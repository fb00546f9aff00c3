"""What every backend must do. A backend's test module subclasses `BackendConformance` and gives a factory.

class TestLocal(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path): return lambda: LocalBackend(tmp_path / "repository")
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.storage.backends.base import Backend, ObjectExists, ObjectInfo, ObjectMissing

MakeBackend = Callable[[], Backend]
"""Every call gives a backend on the same place, as another process would have it."""

BAD_NAMES = [
    "", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/..", ".", "a/./b", ".hidden", "a/.b",
    "a b", "a\nb", "a\0b", "ä", "a\\b", "a*", "x" * 1025, "file:///etc", "~",
]  # fmt: skip


class BackendConformance:
    @pytest.fixture
    def make_backend(self, tmp_path) -> MakeBackend:
        raise NotImplementedError

    @pytest.fixture
    def backend(self, make_backend: MakeBackend) -> Backend:
        return make_backend()

    def test_what_was_put_is_read_by_another(self, make_backend):
        make_backend().put("a/b/c", b"bytes")
        assert make_backend().read("a/b/c") == b"bytes"
        assert make_backend().stat("a/b/c") == ObjectInfo("a/b/c", 5)

    def test_an_empty_object_is_an_object(self, backend):
        backend.put("empty", b"")
        assert backend.read("empty") == b""
        assert b"".join(backend.stream("empty")) == b""
        assert [item.name for item in backend.list()] == ["empty"]

    def test_a_streamed_object_appears_whole_on_commit_and_not_before(self, make_backend):
        backend = make_backend()
        data = os.urandom(3_000_000)
        writer = backend.create("big")
        writer.write(data[:1_000_000])
        writer.write(memoryview(data)[1_000_000:2_999_999])
        writer.write(bytearray(data[2_999_999:]))
        assert list(make_backend().list()) == []
        with pytest.raises(ObjectMissing):
            make_backend().read("big")
        writer.commit()
        assert make_backend().read("big") == data

    def test_abort_leaves_no_trace(self, backend):
        writer = backend.create("gone")
        writer.write(b"x")
        writer.abort()
        writer.abort()
        assert list(backend.list()) == []
        backend.put("gone", b"free again")

    @pytest.mark.parametrize(
        ("offset", "length", "expected"),
        [(0, None, b"0123456789"), (3, 4, b"3456"), (7, None, b"789"), (7, 100, b"789"), (0, 0, b""),
         (10, 5, b""), (50, 5, b""), (50, None, b"")],
    )  # fmt: skip
    def test_ranges(self, backend, offset, length, expected):
        backend.put("digits", b"0123456789")
        assert backend.read("digits", offset, length) == expected

    def test_a_stream_comes_in_blocks_and_in_order(self, backend):
        data = os.urandom(1_000_001)
        backend.put("s", data)
        blocks = list(backend.stream("s", 4096))
        assert b"".join(blocks) == data
        assert max(map(len, blocks)) <= 4096

    def test_an_existing_name_is_refused_and_kept(self, backend):
        backend.put("once", b"first")
        with pytest.raises(ObjectExists):
            backend.put("once", b"second")
        with pytest.raises(ObjectExists):
            backend.create("once")
        assert backend.read("once") == b"first"

    def test_of_two_open_writers_the_second_to_commit_is_refused(self, backend):
        first, second = backend.create("one"), backend.create("one")
        first.write(b"first")
        second.write(b"second")
        second.commit()
        with pytest.raises(ObjectExists):
            first.commit()
        first.abort()
        assert backend.read("one") == b"second"

    def test_of_many_racing_puts_exactly_one_wins(self, make_backend):
        outcomes: list[str] = []
        start = threading.Barrier(8)

        def race(number: int) -> None:
            backend = make_backend()
            start.wait()
            try:
                backend.put("race", str(number).encode())
                outcomes.append(str(number))
            except ObjectExists:
                outcomes.append("lost")

        threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [outcome for outcome in outcomes if outcome != "lost"]
        assert len(outcomes) == 8
        assert len(winners) == 1
        assert make_backend().read("race") == winners[0].encode()

    def test_the_list_is_in_name_order_across_folders(self, backend):
        names = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "ab/c", "b/a/z", "b/b"]
        for name in reversed(names):
            if name not in ("a", "a/b"):  # a place may not allow an object and a folder of one name
                backend.put(name, name.encode())
        expected = sorted(set(names) - {"a", "a/b"})
        assert [item.name for item in backend.list()] == expected
        assert [item.size for item in backend.list()] == [len(name) for name in expected]

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [("", ["a/x", "a/y", "ab/x", "b"]), ("a", ["a/x", "a/y", "ab/x"]), ("a/", ["a/x", "a/y"]),
         ("a/x", ["a/x"]), ("c", []), ("a/x/", []), ("b/c/", [])],
    )  # fmt: skip
    def test_a_list_by_prefix(self, backend, prefix, expected):
        for name in ("a/x", "a/y", "ab/x", "b"):
            backend.put(name, b"")
        assert [item.name for item in backend.list(prefix)] == expected

    def test_folders_right_below(self, backend):
        for name in ("a/x", "a/c/y", "a/d/e/z", "b/x", "top"):
            backend.put(name, b"")
        assert list(backend.folders()) == ["a/", "b/"]
        assert list(backend.folders("a/")) == ["a/c/", "a/d/"]
        assert list(backend.folders("nowhere/")) == []

    def test_delete_and_delete_again(self, backend):
        backend.put("a/b", b"x")
        backend.delete("a/b")
        backend.delete("a/b")
        backend.delete("never/was")
        assert list(backend.list()) == []
        assert list(backend.folders()) == []
        backend.put("a/b", b"y")
        assert backend.read("a/b") == b"y"

    def test_what_is_missing_is_said_by_name(self, backend):
        for ask in (backend.read, backend.stat, lambda name: list(backend.stream(name))):
            with pytest.raises(ObjectMissing, match="no/such/object"):
                ask("no/such/object")

    def test_a_folder_is_no_object(self, backend):
        backend.put("folder/object", b"x")
        for ask in (backend.read, backend.stat, lambda name: list(backend.stream(name))):
            with pytest.raises(ObjectMissing):
                ask("folder")

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_a_name_that_could_lead_astray_is_refused_everywhere(self, backend, name):
        for ask in (
            backend.create, backend.read, backend.stat, backend.delete,
            lambda name: backend.put(name, b""), lambda name: list(backend.stream(name)),
        ):  # fmt: skip
            with pytest.raises(InvalidInput):
                ask(name)

    @pytest.mark.parametrize("prefix", ["..", "../", "a/../", "/", "/a", "a//", ".w"])
    def test_a_prefix_that_could_lead_astray_is_refused(self, backend, prefix):
        with pytest.raises(ForeseenError):
            list(backend.list(prefix))
        with pytest.raises(ForeseenError):
            list(backend.folders(prefix))

    def test_it_declares_what_it_can(self, backend):
        assert backend.capabilities.conditional_put
        free = backend.free_bytes()
        assert (free is not None and free > 0) == backend.capabilities.free_space

    def test_there_is_nothing_to_sweep_after_orderly_work(self, backend):
        backend.put("x", b"x")
        writer = backend.create("y")
        assert backend.sweep_temporary() == []
        writer.write(b"y")
        writer.commit()
        assert backend.read("y") == b"y"
