"""What a writer refuses, and how its failures surface."""

from __future__ import annotations

import os
import threading

import pytest

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.storage.backends.base import StorageFull
from dataprotect.storage.model import BLOCK
from dataprotect.storage.repository import ChunkTask, Entry, Piece, Repository
from tests.storage.backends.hostile import HostileBackend, disk_full, server_error
from tests.storage.trees import INSTANCE, fill, open_repository, restored, root_of, store, submit


def left_behind(repository: Repository) -> list[str]:
    return [item.name for item in repository.backend.list(f"{INSTANCE}/") if "instance.json" not in item.name]


def test_an_incomplete_file_is_never_sealed(repository):
    with repository.begin(INSTANCE, "b1") as writer:
        number = writer.add(Entry("short", size=2 * BLOCK))
        submit(writer, [Piece(number, BLOCK, BLOCK)], [bytes(BLOCK)])
        with pytest.raises(ValueError, match="block 0 of 'short'"):
            writer.finish()
    assert list(repository.seals(INSTANCE)) == []
    assert left_behind(repository) == []


def test_a_block_submitted_twice_is_refused(repository):
    writer = repository.begin(INSTANCE, "b1")
    number = writer.add(Entry("twice", size=3))
    submit(writer, [Piece(number, 0, 3)], [b"abc"])
    submit(writer, [Piece(number, 0, 3)], [b"abd"])
    with pytest.raises(ValueError, match="twice"):
        writer.finish()
    assert left_behind(repository) == []


def test_a_path_added_twice_is_refused(repository):
    writer = repository.begin(INSTANCE, "b1")
    writer.add(Entry("same"))
    writer.add(Entry("same"))
    with pytest.raises(ValueError, match="same path"):
        writer.finish()


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../b", "..", "a//b", "./a", "a/", "a\0b"])
def test_a_path_that_climbs_is_refused(repository, path):
    with repository.begin(INSTANCE, "b1") as writer, pytest.raises(ValueError, match="relative path"):
        writer.add(Entry(path))


@pytest.mark.parametrize(
    "piece", [(0, 1, 3), (0, 0, 3), (0, BLOCK, BLOCK), (0, 2 * BLOCK, 5), (0, 0, BLOCK + 4)]
)
def test_pieces_are_whole_blocks(repository, piece):
    with repository.begin(INSTANCE, "b1") as writer:
        writer.add(Entry("file", size=BLOCK + 4))
        with pytest.raises(ValueError, match="not a whole block"):
            writer.submit(ChunkTask([Piece(*piece)], lambda buffer: None))


def test_a_chunk_that_reads_another_length_fails_the_backup(repository):
    writer = repository.begin(INSTANCE, "b1")
    number = writer.add(Entry("file", size=10))
    writer.submit(ChunkTask([Piece(number, 0, 10)], lambda buffer: memoryview(b"only9bytes"[:9])))
    with pytest.raises(ValueError, match="promised 10 bytes and read 9"):
        writer.finish()
    assert left_behind(repository) == []


class SourceDied(Exception):
    pass


@pytest.mark.timeout(60)
def test_a_reader_that_fails_is_told_at_the_next_submit_and_never_hangs(repository):
    def died(buffer: memoryview) -> None:
        raise SourceDied

    writer = repository.begin(INSTANCE, "b1", threads=2)
    with pytest.raises(SourceDied):
        for number in range(1000):
            entry = writer.add(Entry(f"f{number}", size=5))
            writer.submit(ChunkTask([Piece(entry, 0, 5)], died))
    writer.abort()
    writer.abort()
    assert left_behind(repository) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("storage-")]


def test_cancelling_ends_at_the_next_chunk(repository):
    class Stop(Silent):
        def checkpoint(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled), repository.begin(INSTANCE, "b1", reporter=Stop()) as writer:
        fill(writer, {"a": b"x"})
    assert left_behind(repository) == []


def test_who_lost_the_lease_does_not_seal(repository):
    class LostAtTheEnd(Silent):
        calls = 0

        def checkpoint(self) -> None:
            self.calls += 1
            if self.calls == 2:  # 1: the only chunk, 2: just before the seal
                raise Cancelled

    writer = repository.begin(INSTANCE, "b1", reporter=LostAtTheEnd())
    fill(writer, {"a": b"x"})
    with pytest.raises(Cancelled):
        writer.finish()
    assert list(repository.seals()) == []


@pytest.mark.parametrize("kind", ["create", "write", "commit", "put"])
@pytest.mark.parametrize("fault", [disk_full, server_error])
@pytest.mark.timeout(60)
def test_a_storage_failure_at_any_call_leaves_no_backup(tmp_path, repository, kind, fault):
    store(repository, "old", {"a": b"old"})
    calls = _calls_of_a_backup(tmp_path)
    for position in range(calls.count(kind)):
        hostile = HostileBackend(root_of(repository))
        hostile.script[kind] = [None] * position + [fault]
        victim = Repository.open(repository.url, repository.keyring, write=True, wrap=lambda _, h=hostile: h)
        with pytest.raises(ForeseenError) as caught, victim.begin(INSTANCE, "b1", pack_bytes=4096) as writer:
            fill(writer, {f"f{n}": os.urandom(1500) for n in range(3)})
            writer.finish()
        assert caught.value.code in ("storage.full", "storage.unavailable")
        assert [seal.backup_id for seal in repository.seals()] == ["old"]
        assert [name for name in left_behind(repository) if "/backups/b1/packs" in name] == []
        repository.sweep(INSTANCE)
    assert restored(repository, "old") == {"a": b"old"}
    store(repository, "b1", {"a": b"new"})


def _calls_of_a_backup(folder) -> list[str]:
    """Kinds of the storage calls that the backup above makes."""
    recorder = HostileBackend(root_of(open_repository(folder)))
    repository = Repository.open(
        recorder.url, open_repository(folder).keyring, write=True, wrap=lambda _: recorder
    )
    with repository.begin(INSTANCE, "count", pack_bytes=4096) as writer:
        fill(writer, {f"f{n}": os.urandom(1500) for n in range(3)})
        writer.abort()
    recorder.calls.clear()
    with repository.begin(INSTANCE, "count", pack_bytes=4096) as writer:
        fill(writer, {f"f{n}": os.urandom(1500) for n in range(3)})
        calls = writer.finish() and [kind for kind, _ in recorder.calls]
    for item in list(repository.backend.list(f"{INSTANCE}/backups/count/")):
        repository.backend.delete(item.name)
    return calls


def test_of_two_writers_for_one_name_the_second_is_refused(repository):
    first = repository.begin(INSTANCE, "b1")
    with pytest.raises(ForeseenError) as caught:
        repository.begin(INSTANCE, "b1")
    assert caught.value.code == "backup.exists"
    fill(first, {"a": b"first"})
    first.finish()
    with pytest.raises(ForeseenError):
        repository.begin(INSTANCE, "b1")
    assert restored(repository, "b1") == {"a": b"first"}


@pytest.mark.timeout(120)
def test_of_writers_racing_for_one_name_exactly_one_gets_it(repository):
    start = threading.Barrier(6)
    outcomes: list[str] = []

    def race(number: int) -> None:
        start.wait()
        try:
            store(repository, "b1", {"who": str(number).encode() * 2000})
            outcomes.append(str(number))
        except ForeseenError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[1:] == ["backup.exists"] * 5
    assert restored(repository, "b1") == {"who": sorted(outcomes)[0].encode() * 2000}
    reader = repository.read(INSTANCE, "b1")
    assert reader.verify_checksums() == []


def test_no_storage_full_is_hidden_by_the_clean_up(repository):
    hostile = HostileBackend(root_of(repository))
    hostile.script["put"] = [None, None, disk_full]
    hostile.script["delete"] = [server_error] * 20
    victim = Repository.open(repository.url, repository.keyring, write=True, wrap=lambda _: hostile)
    writer = victim.begin(INSTANCE, "b1")
    fill(writer, {"a": b"x"})
    with pytest.raises(StorageFull):
        writer.finish()
