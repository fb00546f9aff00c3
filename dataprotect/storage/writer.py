"""One backup on its way into a repository."""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from dataprotect.core import steps
from dataprotect.core.clock import iso, now
from dataprotect.core.progress import Reporter
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend
from dataprotect.storage.base import Base
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.keys.wrapping import folder as key_folder
from dataprotect.storage.model import (
    BLOCK,
    CHUNK,
    PAGED_BLOCKS,
    BackupKind,
    Entry,
    Located,
    PageTask,
    Task,
)
from dataprotect.storage.pipeline.frames import MANIFEST, compressor
from dataprotect.storage.pipeline.manifest_lines import (
    Counted,
    attachment_line,
    closing_lines,
    entry_lines,
    header_line,
)
from dataprotect.storage.pipeline.objects import FramedObject, StoredObject
from dataprotect.storage.pipeline.packing import Destination
from dataprotect.storage.pipeline.spool import Spool
from dataprotect.storage.pipeline.workers import Pipeline, WriteOptions
from dataprotect.storage.seal import FORMAT, Seal, decode_seal, encode_seal

WRITTEN_BY = {"program": "dataprotect", "version": "0.1.0", "format": FORMAT}
_ENTRIES = 512


class BackupWriter:
    """Made by `Repository.begin`. One thread adds and submits; ended by exactly one of `finish` and `abort`.

    As a context manager it aborts unless it was finished.
    """

    def __init__(
        self,
        backend: Backend,
        key: DataKey,
        *,
        backup_id: str,
        kind: BackupKind,
        sources: Sequence[tuple[str, str]],
        begun: StoredObject,
        started_at: str,
        options: WriteOptions,
        reporter: Reporter,
        base: Base | None = None,
    ) -> None:
        self.instance_id = key.instance_id
        self.backup_id = backup_id
        self._backend, self._key, self._kind, self._sources = backend, key, kind, list(sources)
        self._begun, self._started_at, self._reporter = begun, started_at, reporter
        self._folder = names.backup_folder(key.instance_id, backup_id)
        self._level = options.level
        self._spool = Spool(options.spool)
        self._base = base
        to = Destination(backend, self._folder, key)
        self._pipeline = Pipeline(to, self._spool, options, reporter, base)
        self._sizes = array("q")
        self._waiting: list[tuple[int, Entry]] = []
        self._attachments: list[bytes] = []
        self._finished_at = ""
        self._ended = False

    def add(self, entry: Entry) -> int:
        """The number that the entry's pieces go by. A file needs every block of its size submitted."""
        _check_entry(entry)
        number = len(self._sizes)
        if self._base is not None:
            self._base.match(entry.path)
        self._sizes.append(entry.size)
        self._waiting.append((number, entry))
        if len(self._waiting) >= _ENTRIES:
            self._flush()
        return number

    def submit(self, task: Task) -> None:
        """Hand over work; waits while the workers are busy. A safe point: the reporter may end the work.

        What is as in the base is not stored again. Raises what an earlier task failed with, and ValueError
        for pieces that are not whole blocks.
        """
        total = 0
        for piece in task.pieces:
            if piece.length != self._block_length(piece.number, piece.offset):
                raise ValueError(f"{piece} is not a whole block of its file")
            total += piece.length
        paged = isinstance(task, PageTask) and self._base is not None
        most = PAGED_BLOCKS * BLOCK if paged else CHUNK
        if not 0 < total <= most:
            raise ValueError(f"this task carries 1 to {most} bytes, not {total}")
        self._reporter.checkpoint()
        self._pipeline.submit(task)

    def raise_failure(self) -> None:
        """Raise what an earlier chunk failed with, if one did; for callers that wait without submitting."""
        self._pipeline.raise_failure()

    def refer(self, number: int, offset: int, digest: bytes, pieces: Sequence[Located]) -> None:
        """Take a block from where it lies already, in a parent's packs or in this backup's own."""
        if sum(piece.length for piece in pieces) != self._block_length(number, offset):
            raise ValueError("the pieces do not cover the block exactly")
        encoded = json.dumps([list(piece) for piece in pieces], separators=(",", ":"))
        self._spool.add_blocks([(number, offset // BLOCK, digest, encoded, "")])

    def attach(self, name: str, document: Any) -> None:
        """Keep a JSON document, encrypted, in the manifest. Raises TypeError for what JSON cannot hold."""
        self._attachments.append(attachment_line(name, document))

    def finish(self, facts: Mapping[str, Any] | None = None) -> Seal:
        """Store what is missing and seal the backup. On any error nothing that counts as a backup is left.

        `facts` are readable by everybody who sees the repository. Raises ValueError for incomplete files.
        """
        try:
            self._flush()
            packs = self._pipeline.close()
            self._finished_at = iso(now())
            return self._seal([self._begun, *packs], json.loads(json.dumps(facts or {}, allow_nan=False)))
        except BaseException:
            self.abort()
            raise
        finally:
            self._ended = True
            self._spool.close()

    def abort(self) -> None:
        """Stop, and remove what was stored as far as that is possible; never raises. Safe to repeat."""
        if self._ended:
            return
        self._ended = True
        self._pipeline.abort()
        self._spool.close()
        with contextlib.suppress(Exception):
            remove_unsealed(self._backend, self.instance_id, self.backup_id, self._key.key_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _block_length(self, number: int, offset: int) -> int:
        """How long the block that begins at `offset` is; -1 where none begins."""
        size = self._sizes[number]
        return min(BLOCK, size - offset) if 0 <= offset < size and not offset % BLOCK else -1

    def _flush(self) -> None:
        self._spool.add_entries(self._waiting)
        self._waiting = []

    def _seal(self, objects: list[StoredObject], facts: dict[str, Any]) -> Seal:
        counted = Counted()
        manifest = self._store_manifest(counted, objects, facts)
        data = encode_seal(self._key, self._claims(counted, objects, facts), [*objects, manifest])
        self._reporter.checkpoint()
        steps.reached("backup.before_seal")
        self._backend.put(self._folder + names.SEAL, data)
        self._ended = True
        steps.reached("backup.after_seal")
        return decode_seal(self.instance_id, self.backup_id, data)

    def _store_manifest(
        self, counted: Counted, objects: list[StoredObject], facts: dict[str, Any]
    ) -> StoredObject:
        out = FramedObject(
            self._backend, self._folder, names.MANIFEST, kind=MANIFEST, key=self._key,
            compressor=compressor(self._level),
        )  # fmt: skip
        try:
            for chunk in _chunks(self._lines(counted, objects, facts)):
                out.append(chunk)
            out.finish()
            steps.reached("storage.manifest.before_commit")
            stored = out.commit()
            steps.reached("storage.manifest.after_commit")
            return stored
        except BaseException:
            out.abort()
            raise

    def _lines(self, counted: Counted, objects: list[StoredObject], facts: dict[str, Any]) -> Iterator[bytes]:
        yield header_line(self.instance_id, self.backup_id, self._kind, self._sources)
        yield from self._attachments
        yield from entry_lines(self._spool, counted)
        yield from closing_lines(objects, self._claims(counted, objects, facts))

    def _claims(self, counted: Counted, objects: list[StoredObject], facts: dict[str, Any]) -> dict[str, Any]:
        """What seal and manifest both say. The end is when the data was complete, so both say the same."""
        return {
            "format": FORMAT,
            "instance_id": self.instance_id,
            "backup_id": self.backup_id,
            "type": self._kind,
            "parents": [backup for backup, _ in self._sources[1:]],
            "data_key_id": self._key.key_id,
            "started_at": self._started_at,
            "finished_at": self._finished_at,
            "totals": {
                "entries": counted.entries,
                "files": counted.files,
                "bytes": counted.bytes,
                "blocks": counted.blocks,
                "packed": sum(item.size for item in objects if item.name.startswith("packs/")),
            },
            "facts": facts,
            "written_by": WRITTEN_BY,
        }


def remove_unsealed(backend: Backend, instance_id: str, backup_id: str, data_key_id: str | None) -> int:
    """Delete an unsealed backup and its data key; returns how many objects. Never touches a sealed one."""
    folder = names.backup_folder(instance_id, backup_id)
    found = [item.name for item in backend.list(folder)]
    if folder + names.SEAL in found:
        return 0
    if data_key_id is not None:
        found = [*(item.name for item in backend.list(key_folder(instance_id, data_key_id))), *found]
    # The reservation goes last: as long as anything is left it says whose data key this was.
    found.sort(key=lambda name: name == folder + names.BEGUN)
    for name in found:
        backend.delete(name)
    return len(found)


def _check_entry(entry: Entry) -> None:
    parts = entry.path.split("/")
    if not entry.path or "\0" in entry.path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"expected a relative path without '.' and '..', got {entry.path!r}")
    os.fsencode(entry.path)
    if entry.kind != "file" and entry.size:
        raise ValueError(f"only a file has a size: {entry.path!r}")
    if entry.size < 0:
        raise ValueError(f"a size is never negative: {entry.path!r}")


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of CHUNK (the last one shorter)."""
    waiting = bytearray()
    for line in lines:
        waiting += line
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)
