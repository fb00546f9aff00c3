"""What goes in comes out: any tree, any sizes, tiny packs, several threads."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataprotect.storage.model import BLOCK
from dataprotect.storage.repository import ChunkTask, Entry, Piece
from tests.storage.trees import (
    INSTANCE,
    MemorySink,
    fill,
    make_repository,
    open_repository,
    proved,
    restored,
    store,
)

names = st.text("abcXYZ019-_. é\udc80'\"\\\n", min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
sizes = st.one_of(
    st.integers(0, 3000), st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 7])
)
seeds = st.tuples(sizes, st.integers(0, 2**32), st.booleans())


def content(size: int, seed: int, compressible: bool) -> bytes:
    chance = random.Random(seed)
    if compressible:
        return (chance.randbytes(50) * (size // 50 + 1))[:size]
    return chance.randbytes(size)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=st.dictionaries(paths, seeds, max_size=12),
    threads=st.integers(1, 4),
    pack_bytes=st.sampled_from([1024, 100_000, 5_000_000]),
    level=st.sampled_from([1, 3, 7]),
)
def test_any_tree_comes_back_and_is_proved(tree, threads, pack_bytes, level):
    files = {path: content(*seed) for path, seed in tree.items()}
    folder = Path(tempfile.mkdtemp(prefix="round-trip-"))
    try:
        repository = make_repository(folder)
        seal = store(repository, "b1", files, threads=threads, pack_bytes=pack_bytes, level=level)
        assert seal.totals.files == len(files)
        assert seal.totals.bytes == sum(map(len, files.values()))
        again = open_repository(folder)
        assert restored(again, "b1", threads) == files
        assert proved(again, "b1") == []
        paths = [os.fsencode(entry.path) for entry in again.read(INSTANCE, "b1").entries()]
        assert paths == sorted(os.fsencode(path) for path in files)
    finally:
        shutil.rmtree(folder)


def test_small_data_spans_many_packs_none_larger_than_asked(repository):
    files = {f"f{number}": os.urandom(3000) for number in range(40)}
    with repository.begin(INSTANCE, "b1", pack_bytes=8192, threads=3) as writer:
        for path, data in files.items():
            fill(writer, {path: data})
        seal = writer.finish()
    packs = [item for item in seal.objects if item.name.startswith("packs/")]
    assert len(packs) >= 15
    assert max(item.size for item in packs) <= 8192
    assert restored(repository, "b1") == files


def test_a_pack_stays_within_64_mib_by_default(repository):
    noise = os.urandom(BLOCK)
    with repository.begin(INSTANCE, "b1", threads=1) as writer:
        number = writer.add(Entry("big", size=130 * BLOCK))
        for block in range(130):
            writer.submit(ChunkTask([Piece(number, block * BLOCK, BLOCK)], lambda buffer: memoryview(noise)))
        seal = writer.finish()
    packs = [item.size for item in seal.objects if item.name.startswith("packs/")]
    assert len(packs) == 3
    assert 60 << 20 < max(packs) <= 64 << 20


def test_every_kind_of_entry_keeps_what_it_was(repository):
    entries = [
        Entry('"size":1,"blocks":[]}, {"record":"entry","blocks":[', "directory"),
        Entry("pgdata", "directory", mode=0o700, mtime=12.25),
        Entry("pgdata/link", "symlink", mode=0o777, link="/elsewhere/\udcff"),
        Entry("pgdata/plain", "file", mode=0o640, mtime=1e9, size=3),
        Entry("pgdata/zero", "file", size=0),
    ]
    with repository.begin(INSTANCE, "b1") as writer:
        numbers = [writer.add(entry) for entry in reversed(entries)]
        writer.submit(ChunkTask([Piece(numbers[1], 0, 3)], lambda buffer: memoryview(b"abc")))
        writer.attach("fingerprint", {"tables": {"ä": [1, 2.5, None]}})
        writer.attach("globals", ["CREATE ROLE x"])
        seal = writer.finish({"start": "0/5", "seconds": 1.25, "numbers": {10: "x", 2: "y"}})
    reader = repository.read(INSTANCE, "b1")
    found = list(reader.entries())
    assert [(e.path, e.kind, e.mode, e.mtime, e.size, e.link) for e in found] == [
        (e.path, e.kind, e.mode, e.mtime, e.size, e.link) for e in entries
    ]
    assert reader.attachments() == {
        "fingerprint": {"tables": {"ä": [1, 2.5, None]}},
        "globals": ["CREATE ROLE x"],
    }
    assert reader.seal == seal
    assert reader.seal.facts == {"start": "0/5", "seconds": 1.25, "numbers": {"10": "x", "2": "y"}}
    sink = MemorySink()
    reader.copy_to(sink)
    assert [entry.path for entry in sink.entries.values()] == [entry.path for entry in entries]
    assert sink.files == {"pgdata/plain": b"abc", "pgdata/zero": b""}
    assert proved(repository, "b1") == []


def test_an_empty_backup_is_a_backup(repository):
    seal = store(repository, "b1", {})
    assert restored(repository, "b1") == {}
    assert proved(repository, "b1") == []
    assert seal.totals.packed == 0


def test_a_file_of_many_records_streams(repository):
    """More than 1024 blocks: the manifest goes on in further records."""
    zeros = bytes(BLOCK)
    blocks = 1024 * 2 + 3
    with repository.begin(INSTANCE, "b1") as writer:
        number = writer.add(Entry("huge", size=blocks * BLOCK - 5))
        fill(writer, {"after": b"x", "before": b"y"})
        for block in range(blocks):
            length = BLOCK if block < blocks - 1 else BLOCK - 5
            writer.submit(
                ChunkTask(
                    [Piece(number, block * BLOCK, length)], lambda buffer: memoryview(zeros)[: len(buffer)]
                )
            )
        writer.finish()
    reader = repository.read(INSTANCE, "b1")
    assert [entry.size for entry in reader.entries()] == [1, 1, blocks * BLOCK - 5]

    class Counting:
        written, ended = 0, 0

        def begin(self, entry, number): ...

        def write(self, number, offset, data):
            assert bytes(data).count(0) == len(data) or number < 2
            type(self).written += len(data)

        def end(self, number):
            type(self).ended += 1

    sink = Counting()
    reader.copy_to(sink, threads=1)
    assert (sink.written, sink.ended) == (blocks * BLOCK - 5 + 2, 3)
    assert reader.verify_decode() == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_progress_is_told_in_bytes(repository, threads):
    class Listening:
        done = 0
        checkpoints = 0

        def phase(self, name, total_bytes=None): ...

        def note(self, message): ...

        def advance(self, done_bytes):
            self.done += done_bytes

        def checkpoint(self):
            self.checkpoints += 1

    files = {"a": os.urandom(3 * BLOCK + 5), "b": b"x" * 10}
    writing, reading, checking, decoding = Listening(), Listening(), Listening(), Listening()
    seal = store(repository, "b1", files, reporter=writing, threads=threads)
    reader = repository.read(INSTANCE, "b1")
    reader.copy_to(MemorySink(), threads, reading)
    reader.verify_checksums(checking)
    reader.verify_decode(threads, decoding)
    total = sum(map(len, files.values()))
    assert (writing.done, reading.done, decoding.done) == (total, total, total)
    assert checking.done == seal.stored_bytes
    assert min(each.checkpoints for each in (writing, reading, checking, decoding)) > 0
