"""The manifest as it is written: JSON Lines, entries by the bytes of their paths."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xxhash import xxh3_128

from dataprotect.storage.model import BLOCK
from dataprotect.storage.pipeline.objects import StoredObject
from dataprotect.storage.pipeline.spool import EntryRow, Spool

FORMAT = 1
BLOCKS_PER_RECORD = 1024
"""One record holds the blocks of 1 GiB; larger files go on in `blocks` records, so that memory stays flat."""
_NO_BLOCKS = '"blocks":[]'
_RECORD_TEXT = 256 << 10
"""So does a file whose blocks have very many pieces."""


@dataclass(slots=True)
class Counted:
    """Filled while the lines are drawn."""

    entries: int = 0
    files: int = 0
    bytes: int = 0
    blocks: int = 0


def header_line(instance_id: str, backup_id: str, kind: str, sources: Sequence[tuple[str, str]]) -> bytes:
    """`sources` are (backup id, data-key id): this backup first, then those its pieces may name."""
    return _line(
        {
            "record": "header",
            "format": FORMAT,
            "instance_id": instance_id,
            "backup_id": backup_id,
            "type": kind,
            "block_size": BLOCK,
            "sources": [{"backup_id": backup, "data_key_id": key} for backup, key in sources],
        }
    )


def attachment_line(name: str, document: Any) -> bytes:
    return _line({"record": "attachment", "name": name, "document": document})


def entry_lines(spool: Spool, counted: Counted) -> Iterator[bytes]:
    """One record per entry, with its blocks. Raises ValueError when a file lacks a block."""
    for row in spool.entries():
        counted.entries += 1
        if row[2] == "file":
            yield from _file_lines(row, spool, counted)
        else:
            yield _line(_entry(row, "") | {"blocks": []})


def closing_lines(objects: Iterable[StoredObject], claims: Mapping[str, Any]) -> Iterator[bytes]:
    """The objects written before the manifest, then the trailer that repeats what the seal will say."""
    for item in objects:
        yield _line({"record": "object", "name": item.name, "size": item.size, "sha256": item.sha256})
    yield _line({"record": "trailer", "claims": claims})


def _file_lines(row: EntryRow, spool: Spool, counted: Counted) -> Iterator[bytes]:
    digest, blocks = _whole_digest(row, spool)
    counted.files += 1
    counted.bytes += row[5]
    counted.blocks += blocks
    rows = spool.blocks(row[0])
    head = json.dumps(_entry(row, digest), separators=(",", ":"))[:-1]
    yield f"{head},{_next_blocks(rows) or _NO_BLOCKS}}}\n".encode("ascii")
    while more := _next_blocks(rows):
        yield f'{{"record":"blocks",{more}}}\n'.encode("ascii")


def _whole_digest(row: EntryRow, spool: Spool) -> tuple[str, int]:
    """The whole-file digest (hex) and the number of blocks. Raises ValueError when a block is missing."""
    number, path, size = row[0], row[1], row[5]
    digest, expected = xxh3_128(), 0
    for position, block_digest, _, _ in spool.blocks(number):
        if position != expected:
            break
        digest.update(block_digest)
        expected += 1
    if expected != -(-size // BLOCK):
        raise ValueError(f"block {expected} of {os.fsdecode(path)!r} was never submitted")
    return digest.hexdigest(), expected


def _next_blocks(rows: Iterator[tuple[int, bytes, str, str]]) -> str:
    """The fields `blocks` and, when one block has any, `pages` of the next record; '' after the last."""
    blocks, pages, length = [], [], 0
    for _, digest, pieces, hashes in islice(rows, BLOCKS_PER_RECORD):
        blocks.append(f'["{digest.hex()}",{pieces}]')
        pages.append(hashes or "null")
        length += len(pieces)
        if length >= _RECORD_TEXT:
            break
    if not blocks:
        return ""
    paged = f',"pages":[{",".join(pages)}]' if any(hashes != "null" for hashes in pages) else ""
    return f'"blocks":[{",".join(blocks)}]{paged}'


def _entry(row: EntryRow, digest: str) -> dict[str, Any]:
    _, path, kind, mode, mtime, size, link = row
    return {
        "record": "entry",
        "path": os.fsdecode(path),
        "kind": kind,
        "mode": mode,
        "mtime": mtime,
        "size": size,
        "link": os.fsdecode(link),
        "digest": digest,
    }


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
