"""The manifest as a restore reads it: streamed, checked as it goes, one record in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import zstandard
from xxhash import xxh3_128

from dataprotect.storage.backends.base import Backend
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.model import BLOCK, CHUNK, Block, FileEntry, Located
from dataprotect.storage.pipeline.frames import END, FRAME, HEADER, MANIFEST, TAG, FrameDecoder
from dataprotect.storage.pipeline.manifest_lines import FORMAT
from dataprotect.storage.seal import Seal, claims_of

_LARGEST_FRAME = 2 * CHUNK
_LENGTH = Located._fields.index("length")


@dataclass(frozen=True, slots=True)
class Source:
    """A backup whose packs this manifest may name."""

    backup_id: str
    data_key_id: str


@dataclass(slots=True)
class ManifestReader:
    """Draws entries from the manifest of `seal`'s backup. One pass per call of a method."""

    backend: Backend
    key: DataKey
    seal: Seal
    sources: list[Source] = field(default_factory=list)
    """Known once the first record was drawn."""

    @property
    def name(self) -> str:
        return self.seal.folder + "manifest"

    def attachments(self) -> dict[str, Any]:
        """All attached documents; stops reading where the entries begin."""
        found: dict[str, Any] = {}
        for record in self._records():
            if record["record"] == "attachment":
                found[record["name"]] = record["document"]
            elif record["record"] != "header":
                break
        return found

    def entries(self) -> Iterator[FileEntry]:
        """Each entry. Raises DamagedObject like `files`, which alone proves that the blocks are complete."""
        entries = size = 0
        closing = _Closing()
        for record in self._records(_without_blocks):
            if record["record"] == "entry":
                entry = _entry(record)
                entries, size = entries + 1, size + entry.size
                yield entry
            else:
                closing.take(record)
        self._agree(entries, size, closing)

    def files(self) -> Iterator[tuple[FileEntry | None, list[Block]]]:
        """Each entry with its first blocks; further blocks of a large file follow with None for the entry.

        Raises DamagedObject when the manifest is damaged, incomplete, or at odds with the seal. The last
        checks come after the last entry, so only a fully drawn iterator proves the manifest.
        """
        checker = _Checker(self.name)
        closing = _Closing()
        for record in self._records():
            kind = record["record"]
            if kind == "entry":
                yield checker.entry(record)
            elif kind == "blocks":
                yield None, checker.blocks(record)
            else:
                closing.take(record)
        checker.finish()
        self._agree(checker.entries, checker.bytes, closing)

    def _agree(self, entries: int, size: int, closing: _Closing) -> None:
        """The manifest must repeat the seal's facts, and its own totals must be what was drawn."""
        sealed = [item for item in self.seal.document["objects"] if item["name"] != "manifest"]
        totals = self.seal.totals
        if closing.claims != claims_of(self.seal.document) or closing.objects != sealed:
            raise DamagedObject(self.name, "it does not agree with the seal")
        if (entries, size) != (totals.entries, totals.bytes):
            raise DamagedObject(self.name, "its entries are not the number that the seal states")

    def _records(self, cut: Callable[[bytes], bytes] = bytes) -> Iterator[dict[str, Any]]:
        """`cut` takes away what need not be read of a line, or all of it."""
        lines = _lines(self._plain())
        first = self._parsed(next(lines, b""))
        self._begin(first)
        yield first
        for line in lines:
            if wanted := cut(line):
                yield self._parsed(wanted)

    def _begin(self, header: dict[str, Any]) -> None:
        mine = (header.get("format"), header.get("instance_id"), header.get("backup_id"), header.get("type"))
        expected = (FORMAT, self.seal.instance_id, self.seal.backup_id, self.seal.type)
        if mine != expected or header.get("block_size") != BLOCK:
            raise DamagedObject(self.name, "it is the manifest of another backup or format")
        self.sources = [Source(item["backup_id"], item["data_key_id"]) for item in header["sources"]]

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(line)
            record["record"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedObject(self.name, "a record is not readable") from error
        return record

    def _plain(self) -> Iterator[bytes]:
        """The decoded frames in order. Raises DamagedObject at the first that is not what was written."""
        source = _Exact(self.name, self.backend.stream(self.name))
        decoder = FrameDecoder.open(self.key, self.name, MANIFEST, source.take(HEADER.size))
        decompressor = zstandard.ZstdDecompressor()
        index = 0
        while True:
            length, plain, flags = FRAME.unpack(source.take(FRAME.size))
            if not TAG <= length <= _LARGEST_FRAME or plain > CHUNK or flags not in (0, END):
                raise DamagedObject(self.name, f"the header of frame {index} is not possible")
            body = decoder.open_body(index, memoryview(source.take(length)), plain, flags)
            if flags & END:
                break
            yield decoder.expand(index, body, plain, decompressor)
            index += 1
        source.expect_end()


@dataclass(slots=True)
class _Closing:
    """What comes after the entries."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    claims: Any = None

    def take(self, record: dict[str, Any]) -> None:
        if record["record"] == "object":
            self.objects.append({name: record[name] for name in ("name", "size", "sha256")})
        elif record["record"] == "trailer":
            self.claims = record["claims"]


class _Exact:
    """A stream of blocks of any size, taken in exact amounts."""

    def __init__(self, name: str, blocks: Iterator[bytes]) -> None:
        self._name, self._blocks, self._have = name, blocks, bytearray()

    def take(self, length: int) -> bytes:
        while len(self._have) < length:
            block = next(self._blocks, b"")
            if not block:
                raise DamagedObject(self._name, "it ends too early")
            self._have += block
        taken = bytes(self._have[:length])
        del self._have[:length]
        return taken

    def expect_end(self) -> None:
        if self._have or any(self._blocks):
            raise DamagedObject(self._name, "bytes follow after its end")


class _Checker:
    """Turns records into entries and blocks, and proves that blocks are complete and in order."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.entries = 0
        self.bytes = 0
        self._file: FileEntry | None = None
        self._seen = 0
        self._digest = xxh3_128()

    def entry(self, record: dict[str, Any]) -> tuple[FileEntry, list[Block]]:
        self.finish()
        self._file = _entry(record)
        self._seen, self._digest = 0, xxh3_128()
        self.entries += 1
        self.bytes += self._file.size
        return self._file, self.blocks(record)

    def blocks(self, record: dict[str, Any]) -> list[Block]:
        if self._file is None:
            raise DamagedObject(self._name, "blocks come before their file")
        found = []
        hashes = record.get("pages") or repeat(None)
        for (digest, pieces), pages in zip(record["blocks"], hashes, strict=False):
            where = None if pages is None else Located(*pages)
            block = Block(bytes.fromhex(digest), pieces, where)
            if sum([piece[_LENGTH] for piece in pieces]) != min(BLOCK, self._file.size - self._seen):
                raise DamagedObject(self._name, f"the blocks of {self._file.path!r} do not cover it")
            self._seen += BLOCK
            self._digest.update(block.digest)
            found.append(block)
        return found

    def finish(self) -> None:
        """The file before the present record is complete. Raises DamagedObject."""
        if self._file is None or self._file.kind != "file":
            return
        if self._seen < self._file.size or self._digest.hexdigest() != self._file.digest:
            raise DamagedObject(self._name, f"the blocks of {self._file.path!r} are not complete")


def _entry(record: dict[str, Any]) -> FileEntry:
    return FileEntry(
        record["path"], record["kind"], record["mode"], record["mtime"], record["size"], record["link"],
        record["digest"],
    )  # fmt: skip


def _without_blocks(line: bytes) -> bytes:
    """Blocks come last in an entry, and can be most of a manifest. No string can hold these words: its quotes
    would be escaped.
    """
    if line.startswith(b'{"record":"blocks",'):
        return b""
    head, found, _ = line.partition(b',"blocks":[')
    return head + b"}" if found and line.startswith(b'{"record":"entry",') else line


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
