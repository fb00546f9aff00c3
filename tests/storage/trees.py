"""Small trees to store, and a sink that holds what comes back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from dataprotect.storage.backends import local_path
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.model import BLOCK, CHUNK, Finding
from dataprotect.storage.repository import BackupWriter, ChunkTask, Entry, FileEntry, Piece, Repository, Seal

INSTANCE = "3f0c9a"
SYSTEM = "7301234567890123456"
SMALL_FILES = {
    f"file{number}": bytes([number]) * 200 + Random(number).randbytes(1500) for number in range(4)
}  # fmt: skip


def make_repository(folder: Path) -> Repository:
    """A claimed repository in `folder`/repository with its keyring in `folder`/keyring.json."""
    keyring = LocalKeyring.create(folder / "keyring.json")
    repository = Repository.initialise(str(folder / "repository"), keyring)
    repository.claim_instance(INSTANCE, SYSTEM)
    return repository


def open_repository(folder: Path, *, write: bool = False) -> Repository:
    keyring = LocalKeyring.load(folder / "keyring.json")
    return Repository.open(str(folder / "repository"), keyring, write=write)


def root_of(repository: Repository) -> Path:
    """The folder that the repository is in."""
    path = local_path(repository.url)
    assert path is not None
    return path


def fill(writer: BackupWriter, files: Mapping[str, bytes]) -> None:
    """Submit every file, small ones together in one chunk as an engine does."""
    pieces: list[Piece] = []
    parts: list[bytes] = []
    for path, data in files.items():
        number = writer.add(Entry(path, size=len(data), mtime=1.5))
        for offset in range(0, len(data), BLOCK):
            part = data[offset : offset + BLOCK]
            if sum(map(len, parts)) + len(part) > CHUNK:
                submit(writer, pieces, parts)
                pieces, parts = [], []
            pieces.append(Piece(number, offset, len(part)))
            parts.append(part)
    if parts:
        submit(writer, pieces, parts)


def submit(writer: BackupWriter, pieces: list[Piece], parts: list[bytes]) -> None:
    data = b"".join(parts)

    def read(buffer: memoryview) -> None:
        buffer[:] = data

    writer.submit(ChunkTask(pieces, read))


def store(repository: Repository, backup_id: str, files: Mapping[str, bytes], **options) -> Seal:
    with repository.begin(INSTANCE, backup_id, **options) as writer:
        fill(writer, files)
        writer.attach("note", {"backup": backup_id})
        return writer.finish({"position": "0/1"})


@dataclass
class MemorySink:
    """Checks the sink's contract while it collects."""

    entries: dict[int, FileEntry] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    seen: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    data: dict[int, bytearray] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, entry: FileEntry, number: int) -> None:
        with self.lock:
            assert number == len(self.entries)
            self.entries[number] = entry
            self.data[number] = bytearray(entry.size)
            self.seen[number] = []

    def write(self, number: int, offset: int, data: memoryview) -> None:
        with self.lock:
            assert number not in self.ended
            self.data[number][offset : offset + len(data)] = data
            self.seen[number].append((offset, len(data)))

    def end(self, number: int) -> None:
        with self.lock:
            assert number not in self.ended
            assert sum(length for _, length in self.seen[number]) == self.entries[number].size
            self.ended.add(number)

    @property
    def files(self) -> dict[str, bytes]:
        """What came back whole."""
        return {
            entry.path: bytes(self.data[number])
            for number, entry in self.entries.items()
            if entry.kind == "file" and number in self.ended
        }


def restored(repository: Repository, backup_id: str, threads: int = 2) -> dict[str, bytes]:
    sink = MemorySink()
    repository.read(INSTANCE, backup_id).copy_to(sink, threads=threads)
    assert sink.ended == set(sink.entries)
    return sink.files


def proved(repository: Repository, backup_id: str) -> list[Finding]:
    """What both checks find."""
    reader = repository.read(INSTANCE, backup_id)
    return reader.verify_checksums() + reader.verify_decode()
