"""The decode check's own reading of a manifest: proves it complete and notes what it promises."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import xxhash

from dataprotect.storage.expectations import Expectations
from dataprotect.storage.independent import Bad
from dataprotect.storage.seal import Seal

_MIB = 1024 * 1024
_ORDER = {"header": 0, "attachment": 1, "entry": 2, "blocks": 2, "object": 3, "trailer": 4}


class ManifestProof:
    """Feed it the decoded manifest with `read`. Raises Bad for the first thing that cannot be right."""

    def __init__(self, seal: Seal, expected: Expectations) -> None:
        self.sources: list[tuple[str, str]] = []
        self._seal, self._expected = seal, expected
        self._stage = -1
        self._path = b""
        self._number = -1
        self._left = 0
        self._digest = ""
        self._blocks = xxhash.xxh3_128()
        self._objects: list[dict[str, Any]] = []
        self._totals = {"entries": 0, "files": 0, "bytes": 0, "blocks": 0}

    def read(self, chunks: Iterable[bytes]) -> None:
        for line in _lines(chunks):
            try:
                self._record(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise Bad("it holds a record that cannot be read") from error
        if self._stage != _ORDER["trailer"]:
            raise Bad("it has no trailer")

    def _record(self, record: dict[str, Any]) -> None:
        kind = record["record"]
        stage = _ORDER[kind]
        if stage < self._stage or (stage == self._stage and stage in (0, 4)) or (self._stage < 0 < stage):
            raise Bad(f"a record of the kind {kind} comes out of order")
        if kind != "blocks":
            self._file_complete()
        self._stage = stage
        {
            "header": self._header,
            "attachment": lambda record: None,
            "entry": self._entry,
            "blocks": self._more_blocks,
            "object": self._object,
            "trailer": self._trailer,
        }[kind](record)

    def _header(self, record: dict[str, Any]) -> None:
        seal = self._seal
        self.sources = [(item["backup_id"], item["data_key_id"]) for item in record["sources"]]
        found = (record["format"], record["instance_id"], record["backup_id"], record["type"])
        if found != (1, seal.instance_id, seal.backup_id, seal.type) or record["block_size"] != _MIB:
            raise Bad("it is the manifest of another backup")
        if self.sources[0] != (seal.backup_id, seal.data_key_id):
            raise Bad("its first source is not the backup itself")
        if [backup for backup, _ in self.sources[1:]] != list(seal.parents):
            raise Bad("its sources are not the parents that the seal names")

    def _entry(self, record: dict[str, Any]) -> None:
        path = os.fsencode(record["path"])
        if path <= self._path and self._number >= 0:
            raise Bad("its entries are not in order")
        self._path, self._number = path, self._number + 1
        self._totals["entries"] += 1
        self._left, self._digest, self._blocks = record["size"], record["digest"], xxhash.xxh3_128()
        if record["kind"] == "file":
            self._totals["files"] += 1
            self._totals["bytes"] += record["size"]
            self._expected.add_file(self._number, record["path"])
        elif record["size"] or record["blocks"]:
            raise Bad(f"{record['path']!r} is no file and has bytes")
        else:
            self._digest = self._blocks.hexdigest()
        self._more_blocks(record)

    def _more_blocks(self, record: dict[str, Any]) -> None:
        hashed = record.get("pages", [None] * len(record["blocks"]))
        if len(hashed) != len(record["blocks"]):
            raise Bad("its page hashes are not those of its blocks")
        for (digest, pieces), pages in zip(record["blocks"], hashed, strict=True):
            raw, covered = bytes.fromhex(digest), 0
            for source, pack, frame, offset, stored, plain, at, length in pieces:
                if not 0 <= source < len(self.sources) or min(pack, frame, offset, stored, at) < 0:
                    raise Bad("a piece names a place that cannot be")
                if length <= 0 or at + length > plain:
                    raise Bad("a piece reaches beyond its frame")
                covered += length
            if not covered or covered != min(_MIB, self._left):
                raise Bad(f"the pieces of {os.fsdecode(self._path)!r} do not cover it exactly")
            self._left -= covered
            self._blocks.update(raw)
            self._totals["blocks"] += 1
            place = "" if pages is None else self._page_place(pages, covered)
            self._expected.add_block(self._number, raw, pieces, json.dumps(pieces), place)

    def _page_place(self, pages: list[int], covered: int) -> str:
        """Where the hashes of a block's pages lie, as JSON, after a look at whether they can lie there."""
        source, pack, frame, offset, stored, plain, at, length = pages
        if (
            not 0 <= source < len(self.sources)
            or min(pack, frame, offset, stored, at) < 0
            or at + length > plain
        ):
            raise Bad("page hashes are said to be at a place that cannot be")
        if length != 8 * -(-covered // 8192):
            raise Bad("a block has not as many page hashes as pages")
        return json.dumps(pages)

    def _file_complete(self) -> None:
        if self._number < 0:
            return
        if self._left:
            raise Bad(f"the blocks of {os.fsdecode(self._path)!r} do not reach its end")
        if self._digest not in ("", self._blocks.hexdigest()):
            raise Bad(f"the digest of {os.fsdecode(self._path)!r} does not match its blocks")

    def _object(self, record: dict[str, Any]) -> None:
        self._objects.append({name: record[name] for name in ("name", "sha256", "size")})

    def _trailer(self, record: dict[str, Any]) -> None:
        sealed = dict(self._seal.document)
        objects = [item for item in sealed.pop("objects") if item["name"] != "manifest"]
        if record["claims"] != sealed or self._objects != objects:
            raise Bad("it does not agree with the seal")
        packed = sum(item["size"] for item in objects if item["name"].startswith("packs/"))
        if sealed["totals"] != {**self._totals, "packed": packed}:
            raise Bad("what it lists is not what its totals state")


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    waiting: list[str] = []
    rest = b""
    for chunk in chunks:
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        waiting = [part.decode("ascii") for part in parts]
        yield from waiting
    if rest:
        raise Bad("its last record is cut short")
