"""Stored logs on their way out: what there is, and each segment as the server wrote it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataprotect.storage import names
from dataprotect.storage.backends.base import ObjectMissing
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.keys import wrapping
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.logs import framing, layout, streams
from dataprotect.storage.logs.continuity import cover
from dataprotect.storage.logs.model import LogHeader, LogObject, MissingLog, Stream

if TYPE_CHECKING:
    from dataprotect.storage.repository import Repository


class LogReader:
    """The stored log of one instance. Safe to use from several threads; what it lists it remembers, so make a
    new one (or call `refresh`) to see what was shipped meanwhile.
    """

    def __init__(self, repository: Repository, instance_id: str) -> None:
        self._backend, self._keyring = repository.backend, repository.keyring
        self.instance_id = names.check_identifier("instance_id", instance_id)
        self._keys: dict[str, DataKey] = {}
        self._by_segment: dict[str, list[LogObject]] | None = None
        self._lock = threading.Lock()

    def streams(self) -> list[Stream]:
        """Oldest first. Raises DamagedObject."""
        return streams.read_streams(self._backend, self.instance_id)

    def objects(self) -> Iterator[LogObject]:
        """Everything stored, stream after stream, in the order of names; told by names, nothing is opened."""
        for stream in self.streams():
            folder = layout.stream_folder(self.instance_id, stream.stream_id)
            for item in self._backend.list(folder):
                found = layout.parse(item.name[len(folder) :], stream.segment_size)
                if found is not None:
                    yield LogObject(stream, item.name, *found, size=item.size)

    def refresh(self) -> None:
        """Forget what was listed, so that the next `fetch` sees what was shipped meanwhile."""
        with self._lock:
            self._by_segment = None

    def header(self, item: LogObject) -> LogHeader:
        """Raises DamagedObject, key errors."""
        header = framing.read_header(self._backend, item.name, self._key(item.stream))
        _compare(item, header)
        return header

    def fetch(self, segment: str, into: Path, *, lineage: str | None = None) -> int:
        """Write the segment, zero-padded to its full size, to the new file `into`; returns the offset inside
        it where stored log ends (its size when it is complete). Every byte is authenticated first.

        `lineage` None means the newest that has the segment. Raises `logs.missing`, DamagedObject.
        """
        listed = self._pieces(segment, lineage)
        try:
            return self._write(listed, segment, into)
        except ObjectMissing:
            self.refresh()
            again = self._pieces(segment, lineage)
            if again[-1].end < listed[-1].end:
                raise  # it is lost; a complete segment that took the place of slices reaches further
            return self._write(again, segment, into)

    def _write(self, pieces: list[LogObject], segment: str, into: Path) -> int:
        size = pieces[0].stream.segment_size
        begin = layout.segment_start(segment, size)
        descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, size)
            for piece in pieces:
                self._place(descriptor, piece, piece.start - begin)
        except BaseException:
            into.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return max(piece.end for piece in pieces) - begin

    def history(self, timeline: int, *, lineage: str | None = None) -> bytes:
        """The content of the timeline's history file. Raises `logs.missing`, DamagedObject."""
        name = layout.history_name(timeline)
        found = [item for item in self._of(name) if lineage in (None, item.stream.lineage)]
        if not found:
            raise MissingLog(name)
        return self.content(found[-1])

    def content(self, item: LogObject) -> bytes:
        """The plain bytes of one object, in memory. Raises DamagedObject, key errors."""
        parts: list[bytes] = []
        _compare(item, framing.read_all(self._backend, item.name, self._key(item.stream), parts.append))
        return b"".join(parts)

    def _pieces(self, segment: str, lineage: str | None) -> list[LogObject]:
        """The complete segment, or slices that cover it from its beginning without a break."""
        found = [item for item in self._of(segment) if lineage in (None, item.stream.lineage)]
        if not found:
            raise MissingLog(segment)
        newest = found[-1].stream.lineage
        found = [item for item in found if item.stream.lineage == newest]
        whole = [item for item in found if item.kind == "wal"]
        if whole:
            return whole[-1:]
        pieces = cover(found, layout.segment_start(segment, found[0].stream.segment_size))
        if not pieces:
            raise MissingLog(segment, " from its beginning")
        return pieces

    def _of(self, key: str) -> list[LogObject]:
        """What is stored of one segment (or history), oldest stream first."""
        with self._lock:
            if self._by_segment is None:
                self._by_segment = {}
                for item in self.objects():
                    name = item.segment or layout.history_name(item.timeline)
                    self._by_segment.setdefault(name, []).append(item)
            return self._by_segment.get(key, [])

    def _place(self, descriptor: int, piece: LogObject, offset: int) -> None:
        at, end = offset, offset + piece.end - piece.start

        def put(plain: bytes) -> None:
            nonlocal at
            if at + len(plain) > end:
                raise DamagedObject(piece.name, "it holds more than its name says")
            os.pwrite(descriptor, plain, at)
            at += len(plain)

        header = framing.read_all(self._backend, piece.name, self._key(piece.stream), put)
        _compare(piece, header)
        if at != end:
            raise DamagedObject(piece.name, "it holds less than its name says")

    def _key(self, stream: Stream) -> DataKey:
        with self._lock:
            key = self._keys.get(stream.data_key_id)
            if key is None:
                key = wrapping.unwrap(self._backend, self.instance_id, stream.data_key_id, self._keyring)
                self._keys[stream.data_key_id] = key
            return key


def _compare(item: LogObject, header: LogHeader) -> None:
    """The name is bound to the frames already; this catches a writer that named it wrongly."""
    text = layout.position_text
    named = (item.kind, item.segment, item.timeline, text(item.start), text(item.end))
    if named != (header.kind, header.segment, header.timeline, header.start, header.end):
        raise DamagedObject(item.name, "its header says it is something else")
