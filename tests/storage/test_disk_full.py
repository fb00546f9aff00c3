"""A repository on a small real filesystem that fills up, at every stage of a backup."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataprotect.storage.backends.base import StorageFull
from dataprotect.storage.backends.local import WRITING
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository
from tests.storage.trees import INSTANCE, SYSTEM, proved, restored, store

FILES = {f"f{number}": os.urandom(300_000) for number in range(10)}
PACK = 400_000
Mount = Callable[[int], Path]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Mount]:
    """Mounts a tmpfs of so many KiB; unmounted afterwards."""
    place = tmp_path / "disk"
    mounted = False

    def mount(kib: int) -> Path:
        nonlocal mounted
        place.mkdir()
        argv = ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=700", "tmpfs", str(place)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting a small tmpfs is not permitted here: {done.stderr.strip()}")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


def prepared(tmp_path: Path, disk: Path) -> Repository:
    """A repository on the small disk that holds one backup."""
    repository = Repository.initialise(str(disk), LocalKeyring.create(tmp_path / "keyring.json"))
    repository.claim_instance(INSTANCE, SYSTEM)
    store(repository, "old", {"a": b"old"}, spool=tmp_path)
    return repository


def needed_kib(folder: Path) -> int:
    """What the old and the new backup take on a disk with pages of 4 KiB."""
    folder.mkdir()
    repository = prepared(folder, folder / "disk")
    store(repository, "new", FILES, spool=folder, pack_bytes=PACK, threads=1)
    return sum(-(-item.size // 4096) * 4 for item in repository.backend.list())


@pytest.mark.parametrize("missing", [4, 8, 12, 16, 24, 40, 200, 500, 1000, 2000, 2800])
@pytest.mark.timeout(120)
def test_a_full_disk_is_said_and_nothing_counts_as_a_backup(tmp_path, small_disk, missing):
    disk = small_disk(needed_kib(tmp_path / "roomy") - missing)
    repository = prepared(tmp_path, disk)
    kept = [item.name for item in repository.backend.list()]
    free = repository.free_bytes()
    with pytest.raises(StorageFull) as caught:
        store(repository, "new", FILES, spool=tmp_path, pack_bytes=PACK, threads=1)
    assert caught.value.code == "storage.full"
    assert [seal.backup_id for seal in repository.seals()] == ["old"]
    assert proved(repository, "old") == []
    assert list((disk / WRITING).iterdir()) == [], "a temporary file was left to the sweeper"
    repository.sweep(INSTANCE)
    assert [item.name for item in repository.backend.list()] == kept
    assert repository.free_bytes() == free, "what failed still takes space"
    store(repository, "small", {"a": b"fits"}, spool=tmp_path)
    assert restored(repository, "small") == {"a": b"fits"}


@pytest.mark.timeout(120)
def test_just_enough_space_is_enough(tmp_path, small_disk):
    repository = prepared(tmp_path, small_disk(needed_kib(tmp_path / "roomy")))
    store(repository, "new", FILES, spool=tmp_path, pack_bytes=PACK, threads=1)
    assert restored(repository, "new") == FILES


@pytest.mark.timeout(120)
def test_a_full_spool_folder_is_said_too(tmp_path, small_disk, repository):
    from dataprotect.core.errors import ForeseenError

    spool = small_disk(64)
    with pytest.raises(ForeseenError) as caught:
        # More than SQLite keeps in memory.
        store(repository, "new", {f"long-name-{n:03000}": b"" for n in range(4000)}, spool=spool)
    assert caught.value.code == "spool.failed"
    assert list(repository.seals()) == []
    assert list(spool.iterdir()) == []
