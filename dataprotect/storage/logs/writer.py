"""Log on its way in. Each object is written once, under a name that says what it holds, so that two
collectors of one instance do no harm: the second finds what it wanted to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from dataprotect.core import steps
from dataprotect.core.clock import now
from dataprotect.core.errors import ForeseenError
from dataprotect.storage import names
from dataprotect.storage.backends.base import ObjectExists, ObjectMissing
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.logs import beats, framing, layout, streams
from dataprotect.storage.logs.continuity import stretches
from dataprotect.storage.logs.model import (
    DifferentLog,
    Heartbeat,
    LogHeader,
    LogKind,
    LogObject,
    ReadPlain,
    Shipped,
    Stream,
)
from dataprotect.storage.logs.reader import LogReader

if TYPE_CHECKING:
    from dataprotect.storage.repository import Repository

LEVEL = 3
_PARENT = re.compile(rb"^\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)", re.MULTILINE)


class LogWriter:
    """Ships the log of one instance. Belongs to one thread."""

    def __init__(
        self, repository: Repository, instance_id: str, stream: Stream, key: DataKey, level: int, *,
        quick: bool = False,
    ) -> None:  # fmt: skip
        self._repository, self._backend = repository, repository.backend
        self.instance_id, self.stream = instance_id, stream
        self._key, self._level = key, level
        self._folder = layout.stream_folder(instance_id, stream.stream_id)
        self._lineage = [
            each
            for each in reversed(streams.read_streams(self._backend, instance_id, []))
            if each.lineage == stream.lineage
        ]
        self._slices: dict[str, list[LogObject]] = {}
        self._beats: dict[str, tuple[Heartbeat, ...]] = {}  # of the slices this writer shipped, by name
        self._stored_end = None if quick else self._look()

    @classmethod
    def open(
        cls,
        repository: Repository,
        instance_id: str,
        *,
        system_identifier: str,
        segment_size: int,
        engine: str = "postgresql",
        level: int = LEVEL,
        went_back: bool = False,
        quick: bool = False,
    ) -> Self:
        """Go on with the newest stream, or begin one: the first, one a month, after a rotation of the
        key-encryption key, or (`went_back`) with a new lineage because the server is behind what is stored.
        `quick` does not look at what is stored: for one segment only, `stored_end` then says nothing.

        Raises `repository.foreign_cluster`, `repository.read_only`, key errors.
        """
        names.check_identifier("instance_id", instance_id)
        repository.claim_instance(instance_id, system_identifier)
        backend, keyring = repository.backend, repository.keyring
        known = [
            each
            for each in streams.read_streams(backend, instance_id, [])
            if (each.system_identifier, each.segment_size) == (system_identifier, segment_size)
        ]
        newest = known[-1] if known and not went_back else None
        key = streams.go_on(backend, keyring, instance_id, newest, now()) if newest else None
        if newest is None or key is None:
            newest, key = streams.begin(
                backend, keyring, instance_id, engine=engine, system_identifier=system_identifier,
                segment_size=segment_size, lineage=newest.lineage if newest else "",
            )  # fmt: skip
        return cls(repository, instance_id, newest, key, level, quick=quick)

    @property
    def outdated(self) -> bool:
        """True when `open` would begin a new stream by now (the month or the key-encryption key changed)."""
        return streams.go_on(
            self._backend, self._repository.keyring, self.instance_id, self.stream, now()
        ) is None  # fmt: skip

    @property
    def stored_end(self) -> tuple[int, int] | None:
        """Timeline and position up to which this lineage was stored when the writer was opened; None when
        nothing was. The newest timeline counts, and on it the stretch that reaches furthest.
        """
        return self._stored_end

    def stored_history(self, timeline: int) -> bytes:
        """What is stored as the history of the timeline in this lineage; empty when nothing is."""
        for item in self._stored_as(layout.history_name(timeline)):
            return LogReader(self._repository, self.instance_id).content(item)
        return b""

    def left_at(self, segment: str) -> int | None:
        """The offset inside `segment` where its timeline was left, as a stored history says; None when none
        does (yet)."""
        timeline, size = layout.segment_timeline(segment), self.stream.segment_size
        begin = layout.segment_start(segment, size)
        for item in LogReader(self._repository, self.instance_id).objects():
            if item.kind != "history" or item.stream.lineage != self.stream.lineage:
                continue
            for each, left in parents(LogReader(self._repository, self.instance_id).content(item)):
                high, _, low = left.partition("/")
                place = (int(high, 16) << 32) + int(low, 16)
                if each == timeline and begin <= place <= begin + size:
                    return place - begin
        return None

    def ship_segment(self, segment: str, read: ReadPlain, heartbeats: Sequence[Heartbeat] = ()) -> Shipped:
        """A complete segment; the slices it is made of go once it is durable, their heartbeats stay in it.
        Raises `logs.different`."""
        start = layout.segment_start(segment, self.stream.segment_size)
        end = start + self.stream.segment_size
        reader = LogReader(self._repository, self.instance_id)
        earlier = beats.of_slices(self._slices.get(segment, []), self._beats, reader.header)
        every = beats.joined([*earlier, *heartbeats])
        stored = self._ship("wal", segment, segment, start, end, read, every)
        steps.reached("storage.log.before_slices_go")
        removed = self._drop_slices(segment)
        return replace(
            self._shipped("wal", segment, start, end, stored, heartbeats),
            removed=sum(removed), removed_objects=len(removed),
        )  # fmt: skip

    def ship_slice(
        self, segment: str, offset: int, end_offset: int, read: ReadPlain,
        heartbeats: Sequence[Heartbeat] = (),
    ) -> Shipped:  # fmt: skip
        """What came since the slice before: the bytes `offset` to `end_offset` of the segment; `read` counts
        from `offset`. Raises `logs.different`."""
        begin = layout.segment_start(segment, self.stream.segment_size)
        start, end = begin + offset, begin + end_offset
        name = layout.slice_name(segment, offset, end_offset)
        stored = self._ship("slice", name, segment, start, end, read, heartbeats)
        timeline, full = layout.segment_timeline(segment), self._folder + name
        self._slices.setdefault(segment, []).append(
            LogObject(self.stream, full, "slice", segment, timeline, start, end, stored)
        )
        self._beats[full] = tuple(heartbeats)
        return self._shipped("slice", segment, start, end, stored, heartbeats)

    def compare_slices(self, segment: str, read: ReadPlain, length: int) -> None:
        """The first `length` bytes of the segment were received again: do they agree with its stored slices?

        `read` counts from the segment's start. Raises `logs.different`.
        """
        begin = layout.segment_start(segment, self.stream.segment_size)
        for item in self._slices.get(segment, []):
            if item.end - begin <= length:
                header = LogReader(self._repository, self.instance_id).header(item)
                if header.sha256 != framing.digest(part(read, item.start - begin), item.end - item.start):
                    raise DifferentLog(item.name)

    def ship_history(self, timeline: int, content: bytes) -> Shipped:
        """A timeline's history file. Raises `logs.different`, `logs.no_history`."""
        if timeline > 1 and not _PARENT.search(content):
            raise ForeseenError(
                "logs.no_history",
                f"The history of timeline {timeline} names no timeline before it.",
                "Check the server's pg_wal: the history file there may be damaged.",
            )
        name = layout.history_name(timeline)
        stored = self._ship(
            "history",
            name,
            "",
            0,
            0,
            lambda at, length: content[at : at + length],
            (),
            len(content),
            timeline,
        )
        return Shipped("history", self.stream.lineage, timeline, 0, 0, stored)

    def _ship(
        self, kind: LogKind, name: str, segment: str, start: int, end: int, read: ReadPlain,
        heartbeats: Sequence[Heartbeat], length: int | None = None, timeline: int | None = None,
    ) -> int:  # fmt: skip
        """Stored bytes of the new object; 0 when the same one is there already, in whatever stream."""
        size = end - start if length is None else length
        line = layout.segment_timeline(segment) if timeline is None else timeline
        text = layout.position_text
        header = LogHeader(
            kind, segment, line, text(start), text(end), tuple(heartbeats), now(), framing.digest(read, size)
        )
        if self._is_stored(name, header):
            return 0
        steps.reached("storage.log.before_create")
        try:
            stored = framing.write(
                self._backend, self._folder, name, self._key, self._level, header, read, size
            )
        except ObjectExists:
            if self._is_stored(name, header):
                return 0
            raise
        steps.reached("storage.log.after_commit")
        return stored

    def _is_stored(self, name: str, header: LogHeader) -> bool:
        """True when the same content lies under the name. Raises `logs.different` when another one does."""
        for item in self._stored_as(name):
            if LogReader(self._repository, self.instance_id).header(item).sha256 != header.sha256:
                raise DifferentLog(item.name)
            return True
        return False

    def _stored_as(self, name: str) -> Iterator[LogObject]:
        """Objects called `name` in the streams of this lineage."""
        for stream in self._lineage:
            full = layout.stream_folder(self.instance_id, stream.stream_id) + name
            found = layout.parse(name, stream.segment_size)
            try:
                size = self._backend.stat(full).size
            except ObjectMissing:
                continue
            if found is not None:
                yield LogObject(stream, full, *found, size=size)

    def _look(self) -> tuple[int, int] | None:
        """Remember the slices there are, remove those a killed writer left beside their complete segment."""
        every = LogReader(self._repository, self.instance_id).objects()
        mine = [item for item in every if item.stream.lineage == self.stream.lineage]
        for item in mine:
            if item.kind == "slice":
                self._slices.setdefault(item.segment, []).append(item)
        for segment in {item.segment for item in mine if item.kind == "wal"} & set(self._slices):
            self._drop_slices(segment)
        found = stretches(mine)
        timeline = max((stretch.timeline for stretch in found), default=0)
        ends = [stretch.end for stretch in found if stretch.timeline == timeline]
        return (timeline, max(ends)) if ends else None

    def _drop_slices(self, segment: str) -> list[int]:
        """Their stored bytes. Those of another collector go when a writer is opened next."""
        removed = []
        for item in self._slices.pop(segment, []):
            self._backend.delete(item.name)
            self._beats.pop(item.name, None)
            removed.append(item.size)
        return removed

    def _shipped(
        self, kind: LogKind, segment: str, start: int, end: int, stored: int, heartbeats: Sequence[Heartbeat]
    ) -> Shipped:
        timeline = layout.segment_timeline(segment)
        return Shipped(kind, self.stream.lineage, timeline, start, end, stored, tuple(heartbeats))


def part(read: ReadPlain, start: int) -> ReadPlain:
    """The same, counted from `start`."""
    return lambda offset, length: read(start + offset, length)


def parents(history: bytes) -> list[tuple[int, str]]:
    """The lines of a history file: (timeline, position where it was left), oldest first."""
    return [(int(match[1]), match[2].decode()) for match in _PARENT.finditer(history)]
