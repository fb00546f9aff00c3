"""Restored files that bypass the page cache hold the same bytes, also where the file system refuses to."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataprotect.engine import direct_write
from dataprotect.engine.tree import TreeSink
from dataprotect.storage.model import BLOCK, FileEntry

LARGE = os.urandom(2 * BLOCK + 40 * 8192)
ODD = os.urandom(BLOCK + 7)


def a_file(name: str, data: bytes) -> FileEntry:
    return FileEntry(name, "file", 0o600, 1_700_000_000, len(data), "", "")


def is_direct(descriptor: int) -> bool:
    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)


def opened_directly(folder: Path) -> set[str]:
    """Names of the files in `folder` that this process has open for direct writing."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            path = each.readlink()
            if path.parent == folder and is_direct(int(each.name)):
                found.add(path.name)
        except OSError:
            continue  # the descriptor of the listing itself
    return found


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On a disk: memory takes any write."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def where_it_is_possible(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT)
    try:
        if not direct_write.ask_for(descriptor):
            pytest.skip("the file system of the tests' folder knows no direct writes")
    finally:
        os.close(descriptor)


def test_large_files_bypass_the_page_cache_and_every_file_is_right(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    content = {"large": LARGE, "odd": ODD, "small": b"x" * 8192}
    with TreeSink(lambda path: folder / path) as sink, ThreadPoolExecutor(3) as threads:
        for number, (name, data) in enumerate(content.items()):
            sink.begin(a_file(name, data), number)
        assert opened_directly(folder) == {"large"}
        writes = [
            threads.submit(sink.write, number, at, memoryview(data)[at : at + BLOCK])
            for number, data in enumerate(content.values())
            for at in reversed(range(0, len(data), BLOCK))
        ]
        for write in writes:
            write.result()
        for number in range(len(content)):
            sink.end(number)
        sink.release()
    assert {name: (folder / name).read_bytes() for name in content} == content


def test_the_room_of_a_large_file_is_asked_for_before_it_is_written(tmp_path: Path) -> None:
    with TreeSink(lambda path: tmp_path / path) as sink:
        sink.begin(a_file("large", LARGE), 0)
        found = (tmp_path / "large").stat()
        assert found.st_size == len(LARGE)
        assert found.st_blocks * 512 >= len(LARGE)


def test_room_that_no_disk_has_is_refused_and_a_file_system_that_reserves_none_is_left_alone() -> None:
    with tempfile.TemporaryFile(dir="/var/tmp") as file, pytest.raises(OSError, match="File too large"):
        direct_write.reserve(file.fileno(), 1 << 62)
    with Path("/proc/self/comm").open("wb", buffering=0) as other:
        direct_write.reserve(other.fileno(), 4096)


def test_what_is_thrown_away_is_left_in_the_page_cache(tmp_path: Path) -> None:
    with TreeSink(lambda path: tmp_path / path, durable=False) as sink:
        sink.begin(a_file("large", LARGE), 0)
        assert opened_directly(tmp_path) == set()
        sink.end(0)


def test_a_write_the_file_system_refuses_goes_through_the_page_cache(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        assert direct_write.ask_for(descriptor)
        odd = memoryview(b"not a sector")
        with pytest.raises(OSError, match="Invalid argument"):
            os.pwrite(descriptor, odd, 3)  # this is how a refusal looks
        assert direct_write.write(descriptor, odd, 3) == len(odd)
        assert not is_direct(descriptor)
        assert os.pread(descriptor, 100, 3) == bytes(odd)
    finally:
        os.close(descriptor)


def test_a_file_system_without_direct_writes_is_told_at_once() -> None:
    descriptor = os.open("/proc/self/comm", os.O_WRONLY)
    try:
        assert not direct_write.ask_for(descriptor)
        assert not is_direct(descriptor)
    finally:
        os.close(descriptor)
