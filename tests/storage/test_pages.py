"""Backups that build on another one: exact, small, complete, and damaged when what they need is."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import BLOCK, PAGE, Pages
from dataprotect.storage.repository import Repository
from tests.storage.paged import pages, store_on
from tests.storage.test_format_document import Stranger
from tests.storage.trees import INSTANCE, make_repository, proved, restored, root_of, store

_numbers = iter(range(1 << 30))
_sizes = st.integers(0, 2 * BLOCK + 3 * PAGE) | st.integers(0, 260).map(lambda count: count * PAGE)
_edits = st.lists(
    st.tuples(st.sampled_from(["page", "byte", "size", "same"]), st.integers(0, 1 << 30)), max_size=6
)  # fmt: skip


def changed(data: bytes, edits: list[tuple[str, int]]) -> bytes:
    """The file after some edits of a page, of a byte, of its length."""
    found = bytearray(data)
    for what, number in edits:
        if what == "size":
            size = number % (2 * BLOCK + 5 * PAGE)
            size -= size % PAGE if number % 2 else 0
            found = found[:size] + random.Random(number).randbytes(max(0, size - len(found)))
        elif found and what != "same":
            length = PAGE if what == "page" else 1
            start = number % len(found) // length * length
            end = min(len(found), start + length)
            found[start:end] = random.Random(number + 1).randbytes(end - start)
    return bytes(found)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(size=_sizes, history=st.lists(_edits, min_size=1, max_size=4), threads=st.integers(1, 2))
def test_any_chain_restores_exactly(
    tmp_path: Path, size: int, history: list[list[tuple[str, int]]], threads: int
) -> None:
    folder = tmp_path / str(next(_numbers))
    folder.mkdir()
    repository = make_repository(folder)
    data = random.Random(size).randbytes(size)
    store_on(repository, "b0", None, {"a/1": data}, {"b": data[:50]}, threads=threads, pack_bytes=400_000)
    for number, edits in enumerate(history, 1):
        data = changed(data, edits)
        store_on(
            repository, f"b{number}", f"b{number - 1}", {"a/1": data}, {"b": data[:50]}, threads=threads,
            newer=number if number % 2 else None,
        )  # fmt: skip
        assert restored(repository, f"b{number}") == {"a/1": data, "b": data[:50]}
        assert proved(repository, f"b{number}") == []
    stranger = Stranger(folder / "repository", folder / "keyring.json", INSTANCE, f"b{len(history)}")
    assert stranger.restore() == {"a/1": data, "b": data[:50]}
    assert stranger.paged == -(-len(data) // BLOCK)
    shutil.rmtree(folder)


def test_only_what_changed_is_stored_again(repository: Repository) -> None:
    noise = os.urandom(4 * BLOCK)
    first = store_on(repository, "b0", None, {"file": noise}, {"map": noise[:5000]})
    same = store_on(repository, "b1", "b0", {"file": noise}, {"map": noise[:5000]})
    assert (same.totals.packed, same.parents) == (0, ("b0",))
    assert same.totals.bytes == first.totals.bytes
    touched = noise[:PAGE] + os.urandom(PAGE) + noise[2 * PAGE :]
    small = store_on(repository, "b2", "b1", {"file": touched}, {"map": noise[:5000]})
    assert PAGE < small.totals.packed < PAGE + 2000
    assert small.parents == ("b1", "b0")
    moved = store_on(repository, "b3", "b2", {"elsewhere": touched}, {})
    assert moved.totals.packed > 4 * BLOCK, "another path is another file"


def test_a_page_said_to_be_newer_is_stored_though_it_looks_the_same(repository: Repository) -> None:
    store_on(repository, "b0", None, {"file": os.urandom(BLOCK)})
    data = restored(repository, "b0")["file"]
    again = store_on(repository, "b1", "b0", {"file": data}, newer=5)
    assert PAGE < again.totals.packed < PAGE + 2000
    assert restored(repository, "b1")["file"] == data
    assert proved(repository, "b1") == []


def test_a_page_put_right_in_one_of_several_blocks_is_what_is_stored(repository: Repository) -> None:
    old = os.urandom(3 * BLOCK + PAGE)
    store_on(repository, "b0", None, {"a": old})
    torn, right = bytearray(old), bytearray(old)
    for block in range(3):
        right[block * BLOCK + PAGE : block * BLOCK + 2 * PAGE] = os.urandom(PAGE)
    torn[:] = right
    torn[BLOCK + PAGE : BLOCK + 2 * PAGE] = bytes(PAGE)
    seen: list[list[int]] = []

    def examine(data: memoryview, changed: Pages | None) -> bool:
        assert changed is not None
        seen.append([int(page) for page in np.flatnonzero(changed)])
        data[:] = right
        return True

    store_on(repository, "b1", "b0", {"a": bytes(torn)}, examine=examine)
    assert seen == [[1, 129, 257]]
    assert restored(repository, "b1")["a"] == bytes(right)
    assert proved(repository, "b1") == []


def test_a_base_without_page_hashes_gives_whole_blocks(repository: Repository) -> None:
    noise = os.urandom(2 * BLOCK)
    store(repository, "b0", {"file": noise})
    touched = noise[: BLOCK + 1] + b"x" + noise[BLOCK + 2 :]
    later = store_on(repository, "b1", "b0", {"file": touched})
    assert later.totals.packed > BLOCK
    assert restored(repository, "b1")["file"] == touched


def test_the_newest_restores_without_reading_what_is_superseded(repository: Repository) -> None:
    store_on(repository, "b0", None, {"file": pages(*range(128))})
    store_on(repository, "b1", "b0", {"file": pages(*range(1, 129))})
    root = root_of(repository)
    for pack in (root / INSTANCE / "backups" / "b0" / "packs").iterdir():
        pack.write_bytes(b"")
    assert restored(repository, "b1") == {"file": pages(*range(1, 129))}


def damaged_base(repository: Repository) -> tuple[str, bytes]:
    noise = os.urandom(BLOCK)
    store_on(repository, "b0", None, {"file": noise})
    touched = pages(1) + noise[PAGE:]
    store_on(repository, "b1", "b0", {"file": touched})
    folder = root_of(repository) / INSTANCE / "backups" / "b0"
    (pack,) = (folder / "packs").iterdir()
    data = bytearray(pack.read_bytes())
    data[1000] ^= 1
    pack.write_bytes(data)
    return f"{INSTANCE}/backups/b0/packs/{pack.name}", touched


def test_damage_to_a_base_is_found_and_named(repository: Repository) -> None:
    name, _ = damaged_base(repository)
    with pytest.raises(DamagedObject) as caught:
        restored(repository, "b1")
    assert caught.value.object_name == name
    reader = repository.read(INSTANCE, "b1")
    assert name in {finding.object_name for finding in reader.verify_decode()}
    assert reader.verify_checksums() == [], "a checksum check reads a backup's own objects only"


def test_damaged_page_hashes_end_the_backup_that_would_believe_them(repository: Repository) -> None:
    noise = os.urandom(BLOCK)
    store_on(repository, "b0", None, {"file": noise}, threads=1)
    (pack,) = (root_of(repository) / INSTANCE / "backups" / "b0" / "packs").iterdir()
    data = bytearray(pack.read_bytes())
    data[-100] ^= 1  # the page hashes are the last frame
    pack.write_bytes(data)
    assert {finding.object_name for finding in repository.read(INSTANCE, "b0").verify_decode()}
    with pytest.raises(DamagedObject) as caught:
        store_on(repository, "b1", "b0", {"file": pages(1) + noise[PAGE:]})
    assert caught.value.object_name.endswith(f"/b0/packs/{pack.name}")
    assert [seal.backup_id for seal in repository.seals(INSTANCE)] == ["b0"]


def test_wrong_page_hashes_are_found_by_decoding(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dataprotect.storage.pipeline.block_worker.page_hashes",
        lambda data: xxhash.xxh3_64_digest(b"wrong") * -(-len(data) // PAGE),
    )
    store_on(repository, "b0", None, {"file": os.urandom(BLOCK)})
    (finding,) = repository.read(INSTANCE, "b0").verify_decode()
    assert "page hashes" in finding.problem


def test_a_deleted_base_refuses_who_builds_on_it(repository: Repository) -> None:
    store_on(repository, "b0", None, {"file": pages(1, 2)})
    base = repository.base(INSTANCE, "b0")
    repository.delete_backup(INSTANCE, "b0")
    with pytest.raises(ForeseenError) as caught, repository.begin(INSTANCE, "b1", base=base):
        pytest.fail("a backup began")  # pragma: no cover
    base.close()
    assert caught.value.code == "backup.missing"
