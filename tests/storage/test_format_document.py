"""docs/repository-format.md is enough: this reader was written from it and imports nothing of the program."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import os
import re
import struct
from pathlib import Path

import pytest
import xxhash
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DOCUMENT = Path(__file__).parents[2] / "docs" / "repository-format.md"
MIB = 1048576


def hkdf(secret: bytes, salt: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info.encode()).derive(secret)


def read_document(path: Path) -> dict:
    line = path.read_bytes()
    outer = json.loads(line)
    inner = line[len(b'{"document":') : -len(',"sha256":""}\n') - 64]
    assert hashlib.sha256(inner).hexdigest() == outer["sha256"]
    return outer["document"]


def unwrap(wrapped: str, key_encryption_key: str, instance: str, key_id: str, by: str) -> bytes:
    data = base64.b64decode(wrapped)
    binding = (
        f'{{"data_key_id":"{key_id}","instance_id":"{instance}",'
        f'"key_encryption_key_id":"{by}","purpose":"dataprotect data key"}}'
    )
    return AESGCM(base64.b64decode(key_encryption_key)).decrypt(data[:12], data[12:], binding.encode())


def find_data_key(root: Path, keyring: Path, instance: str, key_id: str) -> bytes:
    keys = {key["id"]: key["key"] for key in json.loads(keyring.read_text())["keys"]}
    for path in sorted((root / instance / "keys" / key_id).iterdir()):
        copy = read_document(path)
        by = copy["key_encryption_key_id"]
        if by in keys:
            return unwrap(copy["wrapped"], keys[by], instance, key_id, by)
    raise KeyError(key_id)


def open_frame(key: bytes, name: str, number: int, frame: bytes) -> tuple[bytes, int]:
    """Plain bytes and flags."""
    length, plain, flags = struct.unpack(">III", frame[:12])
    assert len(frame) == 12 + length
    binding = name.encode() + b"\0" + struct.pack(">QII", number, plain, flags)
    body = AESGCM(key).decrypt(number.to_bytes(12, "big"), frame[12:], binding)
    if flags == 1:
        assert (body, plain) == (b"", 0)
        return b"", 1
    data = zstandard.ZstdDecompressor().decompress(body)
    assert len(data) == plain
    return data, flags


def object_key(data_key: bytes, name: str, kind: int, key_id: str, header: bytes) -> bytes:
    assert header[:8] == b"DPRO\0\1" + bytes([kind, 0])
    assert header[8:24].hex() == key_id
    return hkdf(data_key, header[24:56], f"dataprotect/1 object {name}")


def all_frames(data: bytes, data_key: bytes, name: str, kind: int, key_id: str) -> bytes:
    key, plain, at, number = object_key(data_key, name, kind, key_id, data[:56]), [], 56, 0
    while True:
        length = 12 + struct.unpack(">I", data[at : at + 4])[0]
        part, flags = open_frame(key, name, number, data[at : at + length])
        at, number = at + length, number + 1
        if flags == 1:
            assert at == len(data)
            return b"".join(plain)
        plain.append(part)


class Stranger:
    """Restores one backup."""

    def __init__(self, root: Path, keyring: Path, instance: str, backup: str) -> None:
        self.root, self.keyring, self.instance, self.backup = root, keyring, instance, backup
        self.folder = f"{instance}/backups/{backup}/"
        self.paged = 0
        self.pack = functools.lru_cache(maxsize=2)(lambda name: (root / name).read_bytes())

    def seal(self) -> tuple[dict, bytes]:
        line = (self.root / self.folder / "seal.json").read_bytes()
        outer, inner = json.loads(line), line[82:-78]
        assert hashlib.sha256(inner).hexdigest() == outer["sha256"]
        seal = json.loads(inner)
        data_key = find_data_key(self.root, self.keyring, self.instance, seal["data_key_id"])
        secret = hkdf(data_key, b"", f"dataprotect/1 seal {self.instance}/{self.backup}")
        assert hmac.new(secret, inner, "sha256").hexdigest() == outer["hmac"]
        return seal, data_key

    def records(self) -> list[dict]:
        seal, data_key = self.seal()
        data = (self.root / self.folder / "manifest").read_bytes()
        lines = all_frames(data, data_key, self.folder + "manifest", 2, seal["data_key_id"])
        records = [json.loads(line) for line in lines.splitlines()]
        objects = [{k: r[k] for k in ("name", "sha256", "size")} for r in records if r["record"] == "object"]
        assert objects == [item for item in seal.pop("objects") if item["name"] != "manifest"]
        assert records[-1]["claims"] == seal
        return records

    def piece(self, sources: list[dict], piece: list[int]) -> bytes:
        source, pack, frame, offset, stored, plain, at, length = piece
        backup, key_id = sources[source]["backup_id"], sources[source]["data_key_id"]
        name = f"{self.instance}/backups/{backup}/packs/{pack:08d}"
        data = self.pack(name)
        data_key = find_data_key(self.root, self.keyring, self.instance, key_id)
        key = object_key(data_key, name, 1, key_id, data[:56])
        decoded, flags = open_frame(key, name, frame, data[offset : offset + stored])
        assert (len(decoded), flags) == (plain, 0)
        return decoded[at : at + length]

    def restore(self) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        digests: dict[str, list[str]] = {}
        expected, sources, path = {}, [], ""
        for record in self.records():
            if record["record"] == "header":
                assert record["block_size"] == MIB
                sources = record["sources"]
            if record["record"] == "entry" and record["kind"] == "file":
                path = record["path"]
                files[path], digests[path], expected[path] = b"", [], (record["size"], record["digest"])
            hashed = record.get("pages", [None] * len(record.get("blocks", [])))
            for (digest, pieces), pages in zip(record.get("blocks", []), hashed, strict=True):
                block = b"".join(self.piece(sources, piece) for piece in pieces)
                if pages is not None:
                    parts = [block[at : at + 8192] for at in range(0, len(block), 8192)]
                    assert self.piece(sources, pages) == b"".join(map(xxhash.xxh3_64_digest, parts))
                    self.paged += 1
                assert xxhash.xxh3_128_hexdigest(block) == digest
                files[path] += block
                digests[path].append(digest)
        for path, (size, digest) in expected.items():
            assert len(files[path]) == size
            assert xxhash.xxh3_128_hexdigest(bytes.fromhex("".join(digests[path]))) == digest
        return files


FILES = {
    "pgdata/PG_VERSION": b"15\n",
    "pgdata/base/1/1259": os.urandom(MIB + 8192),
    "pgdata/base/1/2619": bytes(8192) * 10,
    "pgdata/empty": b"",
    "pgdata/é \udc80": b"a name that is no UTF-8",
}


def test_the_sections_are_numbered_and_every_reference_leads_to_one():
    text = DOCUMENT.read_text()
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(number) for number in re.findall(r"section (\d+)", text)} <= set(numbers)


def test_a_stranger_restores_a_backup(tmp_path, repository):
    from tests.storage.trees import INSTANCE, store

    store(repository, "b1", FILES, pack_bytes=300_000)
    stranger = Stranger(tmp_path / "repository", tmp_path / "keyring.json", INSTANCE, "b1")
    assert stranger.restore() == FILES
    attached = [record for record in stranger.records() if record["record"] == "attachment"]
    assert attached == [{"record": "attachment", "name": "note", "document": {"backup": "b1"}}]


def test_a_stranger_restores_after_a_rotation_with_the_new_key_alone(tmp_path, repository):
    from tests.storage.trees import INSTANCE, store

    store(repository, "b1", FILES)
    new = repository.keyring.add_key().key_id
    repository.rotate()
    keyring = json.loads((tmp_path / "keyring.json").read_text())
    keyring["keys"] = [key for key in keyring["keys"] if key["id"] == new]
    (tmp_path / "new.json").write_text(json.dumps(keyring))
    assert Stranger(tmp_path / "repository", tmp_path / "new.json", INSTANCE, "b1").restore() == FILES


def test_a_stranger_verifies_without_a_key(tmp_path, repository):
    from tests.storage.trees import INSTANCE, store

    store(repository, "b1", FILES)
    folder = tmp_path / "repository" / INSTANCE / "backups" / "b1"
    seal = json.loads((folder / "seal.json").read_bytes())["seal"]
    for item in seal["objects"]:
        data = (folder / item["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (item["size"], item["sha256"])
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present == {item["name"] for item in seal["objects"]} | {"seal.json"}


@pytest.fixture
def example() -> dict:
    found = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_worked_example_is_true(example):
    data_key, name = bytes.fromhex(example["data_key"]), example["name"]
    header, frame, end = (bytes.fromhex(example[field]) for field in ("header", "frame_0", "end_frame"))
    key = object_key(data_key, name, 1, example["data_key_id"], header)
    assert key.hex() == example["object_key"]
    pack = header + frame + end
    assert len(pack) == 135
    assert hashlib.sha256(pack).hexdigest() == example["pack_sha256"]
    plain = all_frames(pack, data_key, name, 1, example["data_key_id"])
    assert plain == b"hello, hello, hello, hello\n"
    for number, ciphertext, which in ((0, frame, "frame_0"), (1, end, "end")):
        binding = bytes.fromhex(example[f"{which}_associated_data"])
        body = AESGCM(key).decrypt(number.to_bytes(12, "big"), ciphertext[12:], binding)
        assert body == bytes.fromhex(example.get(f"{which}_zstandard", ""))
    assert example["piece"] == [0, 1, 0, len(header), len(frame), len(plain), 0, len(plain)]
    digest = xxhash.xxh3_128_digest(plain)
    assert digest.hex() == example["block_digest"]
    assert xxhash.xxh3_128_hexdigest(digest) == example["file_digest"]
    assert hkdf(data_key, b"", "dataprotect/1 seal orders/orders-1").hex() == example["seal_key"]
    wrapping = (example["wrapped"], example["key_encryption_key"], "orders", example["data_key_id"])
    assert unwrap(*wrapping, example["key_encryption_key_id"]) == data_key


def test_the_program_reads_the_worked_example(example):
    from dataprotect.storage.independent import walk
    from dataprotect.storage.keys.wrapping import DataKey
    from dataprotect.storage.pipeline.frames import PACK, FrameDecoder

    secret, name = bytes.fromhex(example["data_key"]), example["name"]
    pack = b"".join(bytes.fromhex(example[field]) for field in ("header", "frame_0", "end_frame"))
    (frame,) = walk(iter([pack]), secret, example["data_key_id"], name, "pack")
    assert frame.plain == b"hello, hello, hello, hello\n"
    decoder = FrameDecoder.open(DataKey("orders", example["data_key_id"], secret), name, PACK, pack[:56])
    stored = memoryview(pack)[56 : 56 + 51]
    assert decoder.decode(0, stored, 27, zstandard.ZstdDecompressor()) == frame.plain


def test_the_stranger_notices_damage(tmp_path, repository):
    from tests.storage.trees import INSTANCE, store

    store(repository, "b1", FILES)
    packs = tmp_path / "repository" / INSTANCE / "backups" / "b1" / "packs"
    # Two threads fill packs; in one that got a single small frame, byte 100 may lie behind all frames.
    pack = max(packs.iterdir(), key=lambda each: each.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[100] ^= 1
    pack.write_bytes(data)
    with pytest.raises(InvalidTag):
        Stranger(tmp_path / "repository", tmp_path / "keyring.json", INSTANCE, "b1").restore()
