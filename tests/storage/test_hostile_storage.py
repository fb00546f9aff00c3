"""Storage that answers wrongly while a backup is read: never a wrong byte, never a hang."""

from __future__ import annotations

import os
import threading

import pytest

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import BLOCK
from dataprotect.storage.repository import Repository
from tests.storage.backends.hostile import Hang, HostileBackend, cut_short, server_error, too_long
from tests.storage.trees import INSTANCE, MemorySink, root_of, store

FILES = {f"f{number}": os.urandom(BLOCK + number) for number in range(6)}


@pytest.fixture
def hostile(repository) -> HostileBackend:
    store(repository, "b1", FILES, pack_bytes=3_000_000)
    return HostileBackend(root_of(repository))


@pytest.fixture
def reader(repository, hostile):
    return Repository.open(repository.url, repository.keyring, wrap=lambda _: hostile).read(INSTANCE, "b1")


def no_wrong_byte(sink: MemorySink) -> bool:
    return all(
        sink.data[number][offset : offset + length] == FILES[entry.path][offset : offset + length]
        for number, entry in sink.entries.items()
        for offset, length in sink.seen[number]
    )


@pytest.mark.parametrize("fault", [cut_short, too_long, server_error])
@pytest.mark.parametrize("position", range(5))
@pytest.mark.timeout(60)
def test_any_ranged_read_that_goes_wrong_ends_the_restore(hostile, reader, fault, position):
    hostile.script["read"] = [None] * position + [fault]
    sink = MemorySink()
    with pytest.raises(ForeseenError):
        reader.copy_to(sink)
    assert no_wrong_byte(sink)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("storage-")]


@pytest.mark.parametrize("fault", [cut_short, too_long, server_error])
@pytest.mark.timeout(60)
def test_a_manifest_that_arrives_wrong_ends_the_restore(hostile, reader, fault):
    hostile.script["stream"] = [fault]
    with pytest.raises(ForeseenError):
        reader.copy_to(MemorySink())


@pytest.mark.parametrize("fault", [cut_short, too_long])
def test_a_stream_that_arrives_wrong_is_found_by_the_checksum(hostile, reader, fault):
    hostile.script["stream"] = [None, fault]
    (finding,) = reader.verify_checksums(threads=1)
    assert "packs" in finding.object_name


@pytest.mark.timeout(60)
def test_a_hang_holds_memory_and_order_and_ends_well(hostile, reader):
    hang = Hang()
    hostile.script["read"] = [hang]
    sink = MemorySink()
    restore = threading.Thread(target=reader.copy_to, args=(sink,))
    restore.start()
    assert hang.reached.wait(30)
    hang.released.set()
    restore.join(30)
    assert sink.files == FILES


@pytest.mark.timeout(60)
def test_a_sink_that_fails_ends_the_restore_with_its_own_error(reader):
    class Full(MemorySink):
        def write(self, number, offset, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        reader.copy_to(Full())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("storage-")]


@pytest.mark.timeout(60)
def test_cancelling_a_restore_or_a_check_ends_it(reader):
    class Stop(Silent):
        def checkpoint(self) -> None:
            raise Cancelled

    for work in (
        lambda: reader.copy_to(MemorySink(), reporter=Stop()),
        lambda: reader.verify_checksums(Stop()),
        lambda: reader.verify_decode(2, Stop()),
    ):
        with pytest.raises(Cancelled):
            work()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("storage-")]


def test_a_folder_full_of_other_backups_does_not_disturb(repository, hostile, reader):
    store(repository, "b10", {"x": b"1"})
    store(repository, "b", {"x": b"2"})
    assert reader.verify_checksums() == []


def test_damage_is_never_retried_into_success(hostile, reader):
    hostile.script["read"] = [cut_short] * 50
    with pytest.raises(DamagedObject):
        reader.copy_to(MemorySink(), threads=1)
