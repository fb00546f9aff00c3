"""A repository in a folder: the conformance suite, durability, dead writers, full disks."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import StorageFull
from dataprotect.storage.backends.local import WRITING, LocalBackend
from tests.storage.backends.conformance import BackendConformance


class TestLocal(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path):
        return lambda: LocalBackend(tmp_path / "deep" / "repository")


@pytest.fixture
def backend(tmp_path) -> LocalBackend:
    return LocalBackend(tmp_path / "repository")


def test_file_then_name_then_folder_are_made_durable_in_this_order(backend, monkeypatch):
    events = []
    fsync, link = os.fsync, os.link

    def note_fsync(descriptor):
        events.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def note_link(source, target):
        events.append(("link", str(target)))
        link(source, target)

    backend.put("first", b"makes the folders")
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    backend.put("folder/object", b"x")
    root = str(backend.root)
    assert events[0][0] == "fsync"
    assert events[0][1].startswith(f"{root}/{WRITING}/")
    assert ("fsync", root) in events[1:-2], "the new folder's own name must be durable too"
    assert events[-2:] == [("link", f"{root}/folder/object"), ("fsync", f"{root}/folder")]


def test_objects_and_folders_are_private(backend):
    backend.put("a/b", b"x")
    assert (backend.root / "a/b").stat().st_mode & 0o777 == 0o600
    assert (backend.root / "a").stat().st_mode & 0o777 == 0o700


def _die_while_writing(root: Path, ready) -> None:
    writer = LocalBackend(root).create("never")
    writer.write(b"half")
    ready.set()
    signal.pause()


def test_only_the_files_of_dead_writers_are_swept(backend):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_die_while_writing, args=(backend.root, ready))
    process.start()
    assert ready.wait(30)
    alive = backend.create("alive")
    assert backend.sweep_temporary() == [], "both writers live"
    process.kill()
    process.join()
    assert len(backend.sweep_temporary()) == 1
    assert len(list((backend.root / WRITING).iterdir())) == 1
    alive.write(b"x")
    alive.commit()
    assert [item.name for item in backend.list()] == ["alive"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync", "link", "open"])
def test_no_space_is_one_clear_error_wherever_it_strikes(backend, monkeypatch, number, call):
    backend.put("before", b"x")

    def full(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(StorageFull) as caught:
            backend.put("after", b"y")
    assert caught.value.code == "storage.full"
    assert not caught.value.retry
    assert [item.name for item in backend.list()] == ["before"]
    assert list((backend.root / WRITING).iterdir()) == []


def test_other_disk_failures_are_foreseen_and_may_pass(backend, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(ForeseenError) as caught:
        backend.put("x", b"y")
    assert caught.value.code == "storage.unavailable"
    assert caught.value.retry


def test_a_short_write_is_continued(backend, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    backend.put("x", b"0123456789")
    assert backend.read("x") == b"0123456789"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_filesystem_without_links_is_refused_by_name(backend, monkeypatch, number):
    def unsupported(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", unsupported)
    with pytest.raises(ForeseenError) as caught:
        backend.put("x", b"y")
    assert caught.value.code == "storage.filesystem"
    assert list((backend.root / WRITING).iterdir()) == []
