"""Damage is made certain, and its detection demanded: by the checks, by name, and by the restore itself."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.documents import DamagedObject
from tests.storage.trees import INSTANCE, MemorySink, make_repository, open_repository, store

FILES = {"a": b"some text, some text, some text", "b": os.urandom(40), "empty": b"", "d/c": b"more"}
OTHER = {name: data[::-1] for name, data in FILES.items()}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    """A repository of two backups of the same shape."""
    folder = tmp_path_factory.mktemp("pristine")
    repository = make_repository(folder)
    store(repository, "b1", FILES, threads=1, level=1)
    store(repository, "b2", OTHER, threads=1, level=1)
    return folder


@pytest.fixture
def folder(pristine, tmp_path) -> Path:
    """A copy of it to be damaged."""
    shutil.copytree(pristine, tmp_path / "copy", copy_function=os.link)
    return tmp_path / "copy"


def objects(folder: Path) -> list[str]:
    """Every object that the backup b1 depends on."""
    root = folder / "repository"
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    other = open_repository(folder).seal(INSTANCE, "b2")
    return [n for n in names if not n.startswith(other.folder) and other.data_key_id not in n]


def put(folder: Path, name: str, data: bytes) -> None:
    """Replace an object; never through its other hard links."""
    path = folder / "repository" / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def accusations(folder: Path) -> set[str]:
    """The names of the objects that opening, checking and decoding the backup b1 find fault with."""
    try:
        reader = open_repository(folder).read(INSTANCE, "b1")
        return {finding.object_name for finding in reader.verify_checksums() + reader.verify_decode()}
    except DamagedObject as error:
        return {error.object_name}


def assert_never_restored_as_good(folder: Path) -> None:
    """A restore ends with an error, or with exactly what was stored; and no wrong byte reached the sink."""
    sink = MemorySink()
    try:
        open_repository(folder).read(INSTANCE, "b1").copy_to(sink)
    except ForeseenError:
        for number, writes in sink.seen.items():
            true = FILES[sink.entries[number].path]
            for offset, length in writes:
                assert sink.data[number][offset : offset + length] == true[offset : offset + length]
    else:
        assert sink.files == FILES


def assert_detected(folder: Path, name: str) -> None:
    found = accusations(folder)
    assert name in found, f"damage to {name} was blamed on {found}"
    assert_never_restored_as_good(folder)


def test_the_undamaged_repository_is_accused_of_nothing(folder):
    assert accusations(folder) == set()
    assert len(objects(folder)) == 7


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every byte changed in turn; the changed bit moves, and letters also change their case."""
    for position, byte in enumerate(data):
        for mask in {1 << (position % 8), 0x20}:
            yield position, data[:position] + bytes([byte ^ mask]) + data[position + 1 :]


@pytest.mark.parametrize("number", range(7))
@pytest.mark.timeout(600)
def test_every_single_byte_flipped(folder, number):
    name = objects(folder)[number]
    data = (folder / "repository" / name).read_bytes()
    for position, damaged in flips(data):
        put(folder, name, damaged)
        found = accusations(folder)
        assert name in found, f"byte {position} of {name} was blamed on {found}"
        assert_never_restored_as_good(folder)


@pytest.mark.parametrize("number", range(7))
def test_cut_short_at_every_length(folder, number):
    name = objects(folder)[number]
    data = (folder / "repository" / name).read_bytes()
    for length in [0, 1, *range(5, len(data) - 1, 7), len(data) - 1]:
        put(folder, name, data[:length])
        assert_detected(folder, name)


@pytest.mark.parametrize("number", range(7))
def test_bytes_after_the_end(folder, number):
    name = objects(folder)[number]
    data = (folder / "repository" / name).read_bytes()
    for surplus in (b"\n", b"\0", data):
        put(folder, name, data + surplus)
        assert_detected(folder, name)


def only_decoding_accuses(folder: Path, name: str) -> set[str]:
    """What the decode check alone finds; it must not depend on the checksum check having run."""
    try:
        found = open_repository(folder).read(INSTANCE, "b1").verify_decode()
        return {finding.object_name for finding in found}
    except DamagedObject as error:
        return {error.object_name}


def test_decoding_alone_finds_every_flip_in_what_is_encrypted(folder):
    for name in objects(folder):
        if name.endswith(".json"):
            continue
        data = (folder / "repository" / name).read_bytes()
        for position, damaged in flips(data):
            put(folder, name, damaged)
            assert name in only_decoding_accuses(folder, name), f"byte {position} of {name}"
        put(folder, name, data)


@pytest.mark.parametrize("number", range(7))
def test_deleted(folder, number):
    name = objects(folder)[number]
    (folder / "repository" / name).unlink()
    try:
        found = accusations(folder)
    except ForeseenError as error:
        assert error.code in ("repository.missing", "backup.missing")
    else:
        assert name in found
    with pytest.raises(ForeseenError) if _needed(name) else _allowed():
        open_repository(folder).read(INSTANCE, "b1").copy_to(MemorySink())


class _allowed:
    def __enter__(self): ...

    def __exit__(self, *exc): ...


def _needed(name: str) -> bool:
    """The ownership marker and the reservation are not needed to restore; all else is."""
    return not name.endswith(("instance.json", "begun.json"))


@pytest.mark.parametrize("name", ["manifest", "packs/00000001", "seal.json", "begun.json"])
def test_swapped_with_another_backup_of_the_same_instance(folder, name):
    here, there = f"{INSTANCE}/backups/b1/{name}", f"{INSTANCE}/backups/b2/{name}"
    put(folder, here, (folder / "repository" / there).read_bytes())
    assert_detected(folder, here)


def test_a_whole_backup_renamed_to_another(folder):
    root = folder / "repository" / INSTANCE / "backups"
    shutil.rmtree(root / "b1")
    shutil.copytree(root / "b2", root / "b1")
    assert_detected(folder, f"{INSTANCE}/backups/b1/seal.json")


def test_a_wrapped_key_of_another_backup(folder):
    repository = open_repository(folder)
    here, there = (f"{INSTANCE}/keys/{repository.seal(INSTANCE, b).data_key_id}/1.json" for b in ("b1", "b2"))
    put(folder, here, (folder / "repository" / there).read_bytes())
    assert_detected(folder, here)


def test_packs_that_changed_places(tmp_path):
    repository = make_repository(tmp_path)
    with repository.begin(INSTANCE, "b1", threads=1, pack_bytes=1024) as writer:
        from tests.storage.trees import fill

        fill(writer, {"a": FILES["b"] * 20})
        fill(writer, {"b": FILES["b"][::-1] * 20})
        writer.finish()
    first, second = (f"{INSTANCE}/backups/b1/packs/0000000{n}" for n in (1, 2))
    one, two = ((tmp_path / "repository" / name).read_bytes() for name in (first, second))
    put(tmp_path, first, two)
    put(tmp_path, second, one)
    assert accusations(tmp_path) == {first, second}
    with pytest.raises(DamagedObject):
        open_repository(tmp_path).read(INSTANCE, "b1").copy_to(MemorySink())


def test_a_renamed_object_is_missing_here_and_surplus_there(folder):
    packs = folder / "repository" / INSTANCE / "backups" / "b1" / "packs"
    (packs / "00000001").rename(packs / "00000002")
    assert accusations(folder) == {f"{INSTANCE}/backups/b1/packs/0000000{n}" for n in (1, 2)}
    assert_never_restored_as_good(folder)


@pytest.mark.parametrize("name", ["packs/00000002", "packs/00000001-copy", "surplus", "seal.json.bak"])
def test_an_object_too_many_is_named(folder, name):
    pack = (folder / "repository" / f"{INSTANCE}/backups/b1/packs/00000001").read_bytes()
    put(folder, f"{INSTANCE}/backups/b1/{name}", pack)
    assert accusations(folder) == {f"{INSTANCE}/backups/b1/{name}"}


def test_a_damaged_newest_copy_of_a_key_does_not_lose_the_backup(folder):
    repository = open_repository(folder, write=True)
    repository.keyring.add_key()
    added = [name for name in repository.rotate() if repository.seal(INSTANCE, "b1").data_key_id in name]
    put(folder, added[0], b"rubbish")
    assert accusations(folder) == set(added)
    sink = MemorySink()
    open_repository(folder).read(INSTANCE, "b1").copy_to(sink)
    assert sink.files == FILES


def test_a_seal_forged_without_the_key_is_refused(folder):
    """Somebody who can write to the repository shortens the list of objects, and makes the JSON right."""
    from dataprotect.storage.documents import canonical

    seal = open_repository(folder).seal(INSTANCE, "b1")
    document = dict(seal.document) | {"facts": {"position": "0/2"}}
    digest = hashlib.sha256(canonical(document)).hexdigest()
    forged = canonical({"hmac": seal.hmac, "seal": document, "sha256": digest}) + b"\n"
    put(folder, seal.folder + "seal.json", forged)
    with pytest.raises(DamagedObject, match="HMAC"):
        open_repository(folder).read(INSTANCE, "b1")


def test_repository_of_a_newer_format_is_refused(folder):
    from dataprotect.storage.documents import open_document, sealed_document

    data = (folder / "repository/repository.json").read_bytes()
    put(folder, "repository.json", sealed_document(open_document("x", data) | {"format": 2}))
    with pytest.raises(ForeseenError) as caught:
        open_repository(folder)
    assert caught.value.code == "repository.format"
