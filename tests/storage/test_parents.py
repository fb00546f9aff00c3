"""Backups whose manifests name frames of their parents, in several pieces per block: as incrementals will."""

from __future__ import annotations

import os

import pytest
import xxhash

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import BLOCK, Located
from dataprotect.storage.pipeline.frames import FrameDecoder, compressor
from dataprotect.storage.repository import Entry, Repository
from tests.storage.test_format_document import Stranger
from tests.storage.trees import INSTANCE, MemorySink, fill, proved, restored, root_of, store

PAGE = 8192
OLD = os.urandom(2 * BLOCK + 3 * PAGE)
CHANGED = (0, 5, 100, 200, 258)


def places(repository: Repository, backup: str, path: str) -> list[tuple[bytes, tuple[Located, ...]]]:
    manifest = repository.read(INSTANCE, backup)._manifest()
    current = ""
    found: list = []
    for entry, blocks in manifest.files():
        current = entry.path if entry else current
        if current == path:
            found += [(block.digest, tuple(Located(*piece) for piece in block.pieces)) for block in blocks]
    return found


@pytest.fixture
def incremental(repository) -> bytes:
    """Backup `b2`: the file of `b1` with some pages changed; the new pages lie in a pack of b2's own."""
    store(repository, "b1", {"table": OLD, "same": b"unchanged"}, pack_bytes=700_000)
    new = bytearray(OLD)
    for page in CHANGED:
        new[page * PAGE : (page + 1) * PAGE] = os.urandom(PAGE)
    fresh = b"".join(new[page * PAGE : (page + 1) * PAGE] for page in CHANGED)
    # The changed pages are the first chunk of the only worker, so it is known where they come to lie.
    with repository.begin(INSTANCE, "b2", type="incremental", parents=["b1"], threads=1) as writer:
        fill(writer, {"changes": fresh})
        own = _place_of_first_frame(fresh)
        number = writer.add(Entry("table", size=len(new)))
        for position, (_, pieces) in enumerate(places(repository, "b1", "table")):
            start = position * BLOCK
            block = bytes(new[start : start + BLOCK])
            writer.refer(number, start, xxhash.xxh3_128_digest(block), _merged(start, pieces, own))
        number = writer.add(Entry("same", size=9))
        ((digest, pieces),) = places(repository, "b1", "same")
        writer.refer(number, 0, digest, [piece._replace(source=1) for piece in pieces])
        writer.finish()
    return bytes(new)


def _place_of_first_frame(data: bytes) -> Located:
    """Random bytes do not compress: one raw zstd block, so the stored length is known in advance."""
    stored = 12 + len(compressor(3).compress(data)) + 16
    return Located(0, 1, 0, 56, stored, len(data), 0, len(data))


def _merged(start: int, pieces: tuple[Located, ...], own: Located) -> list[Located]:
    """Page by page: from the own frame where it changed, else from the parent's single piece."""
    (parent,) = pieces
    merged = []
    for at in range(0, parent.length, PAGE):
        page = (start + at) // PAGE
        if page in CHANGED:
            merged.append(own._replace(at=CHANGED.index(page) * PAGE, length=PAGE))
        else:
            merged.append(parent._replace(source=1, at=parent.at + at, length=PAGE))
    return merged


def test_it_restores_and_is_proved(repository, incremental):
    files = restored(repository, "b2")
    assert files["table"] == incremental
    assert files["same"] == b"unchanged"
    assert proved(repository, "b2") == []
    assert repository.seal(INSTANCE, "b2").parents == ("b1",)
    assert restored(repository, "b1")["table"] == OLD


def test_a_stranger_restores_it_too(tmp_path, repository, incremental):
    stranger = Stranger(tmp_path / "repository", tmp_path / "keyring.json", INSTANCE, "b2")
    assert stranger.restore()["table"] == incremental


def test_each_frame_is_read_and_decoded_once(repository, incremental, monkeypatch):
    decoded: list = []
    decode = FrameDecoder.decode_into

    def counting(self, plain, index, frame, decompressor):
        decoded.append((self.name, index))
        return decode(self, plain, index, frame, decompressor)

    monkeypatch.setattr(FrameDecoder, "decode_into", counting)
    restored(repository, "b2")
    assert len(decoded) == len(set(decoded)) == 4, "three of the parent, one of its own"


@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_a_damaged_parent_is_found_through_the_child(repository, incremental, damage):
    (_, pieces) = places(repository, "b1", "table")[1]
    name = f"{INSTANCE}/backups/b1/packs/{pieces[0].pack:08d}"
    path = root_of(repository) / name
    data = bytearray(path.read_bytes())
    data[pieces[0].offset + 5000] ^= 4
    path.unlink() if damage == "delete" else path.write_bytes(data)
    findings = repository.read(INSTANCE, "b2").verify_decode()
    assert name in {finding.object_name for finding in findings}
    with pytest.raises(ForeseenError):
        repository.read(INSTANCE, "b2").copy_to(MemorySink())


def test_a_parent_that_is_missing_is_refused_at_the_start(repository):
    with pytest.raises(ForeseenError) as caught:
        repository.begin(INSTANCE, "b2", type="incremental", parents=["nowhere"])
    assert caught.value.code == "backup.missing"
    assert list(repository.backend.list(f"{INSTANCE}/backups/")) == []


def test_pieces_must_cover_the_block(repository):
    with repository.begin(INSTANCE, "b1") as writer:
        number = writer.add(Entry("table", size=100))
        with pytest.raises(ValueError, match="cover"):
            writer.refer(number, 0, bytes(16), [Located(0, 1, 0, 56, 99, 99, 0, 99)])


def test_a_manifest_that_promises_other_bytes_is_found(repository):
    """A writer's bug: the digest of a referred block is wrong. Both ways of reading must refuse it."""
    store(repository, "b1", {"table": OLD})
    with repository.begin(INSTANCE, "b2", type="incremental", parents=["b1"]) as writer:
        number = writer.add(Entry("table", size=BLOCK))
        ((_, pieces), *_) = places(repository, "b1", "table")
        writer.refer(number, 0, bytes(16), [piece._replace(source=1) for piece in pieces])
        writer.finish()
    assert repository.read(INSTANCE, "b2").verify_checksums() == []
    assert len(repository.read(INSTANCE, "b2").verify_decode()) == 1
    sink = MemorySink()
    with pytest.raises(DamagedObject):
        repository.read(INSTANCE, "b2").copy_to(sink)
    assert sink.seen == {0: []}
