"""The streamed reader: BASE_BACKUP over the replication protocol (the form it has since PostgreSQL 15)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from dataprotect.engine.databases.postgresql import layout, lsn, server_findings
from dataprotect.engine.databases.postgresql.buffers import BufferPool
from dataprotect.engine.databases.postgresql.intake import Examine, Intake, Read
from dataprotect.engine.databases.postgresql.page_inspection import PageInspector
from dataprotect.engine.databases.postgresql.replication import Ended, Replication, table
from dataprotect.engine.databases.postgresql.small_files import LIMIT, SmallFiles
from dataprotect.engine.databases.postgresql.tar_stream import TarDamaged, TarMember, TarParser
from dataprotect.storage.model import BLOCK, Pages, Piece

_DOING = "streaming the base backup"
_TICK = 0.5
_TURN = 0.0002
"""Seconds the receiving thread may keep the interpreter while others wait for it."""
_DAMAGED = "XX001"
"""The server ends with this error after everything was sent, when it found damaged pages on the way."""


@dataclass(frozen=True, slots=True)
class Started:
    """The server's answer: the position recovery starts from, the timeline, tablespaces, and its own
    estimate.
    """

    position: int
    timeline: int
    tablespaces: dict[int, str]
    estimated_bytes: int


class StreamedReader:
    """`start`, then `read` with what was learnt from it; `read` returns the backup's end position."""

    def __init__(self, replication: Replication, label: str, paged: bool) -> None:
        """`paged`: pages are of the size that blocks are compared by."""
        self._replication, self._paged = replication, paged
        self._label = label.replace("'", "''")

    def start(self) -> Started:
        """Begin the backup: a checkpoint at once, then backup mode, which ends with the connection."""
        self._replication.send(
            f"BASE_BACKUP (LABEL '{self._label}', PROGRESS true, CHECKPOINT 'fast', WAL false, WAIT false,"
            " TABLESPACE_MAP true, VERIFY_CHECKSUMS true, MANIFEST 'no')",
            _DOING,
        )
        begin, spaces = self._replication.result(), self._replication.result()
        self._replication.result()  # the copy stream opens
        if begin is None or spaces is None:
            raise TarDamaged("it has no beginning")
        position, timeline = table(begin)[0][:2]
        found, size = {}, 0
        for oid, location, kilobytes in table(spaces):
            size += int(kilobytes or 0) * 1024
            if oid is not None:
                found[int(oid)] = location or ""
        return Started(lsn.parse(position or ""), int(timeline or 0), found, size)

    def read(self, started: Started, intake: Intake, inspector: PageInspector) -> int:
        """Take the whole stream; returns the end position in bytes."""
        archives = _Archives(started.tablespaces, intake, inspector, self._paged)
        with _short_turns():
            while not isinstance(message := self._replication.receive(_TICK), Ended):
                if message is None:
                    intake.reporter.checkpoint()
                    intake.between()
                else:
                    archives.take(message)
        archives.close()
        stop: int | None = None
        while (result := self._replication.result(_DAMAGED)) is not None:
            if result.ntuples:
                stop = lsn.parse(table(result)[0][0] or "")
        if stop is None:
            raise TarDamaged("it has no end position")
        self._report(started, intake, inspector)
        return stop

    def _report(self, started: Started, intake: Intake, inspector: PageInspector) -> None:
        for warning in self._replication.warnings:
            page = server_findings.damaged_page(warning, started.tablespaces)
            if page is None:
                intake.warnings.append(f"The server warned: {warning}.")
            else:
                inspector.condemn(*page)


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    """libpq receives and copies without letting go of the interpreter. With Python's usual 5 ms the writer's
    threads would wait for it far longer than they then need it; so the whole takes 7 % less time.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class _Archives:
    """The archives inside the stream: one per tablespace, the data directory's last."""

    def __init__(
        self, tablespaces: dict[int, str], intake: Intake, inspector: PageInspector, paged: bool
    ) -> None:
        self._tablespaces, self._intake = tablespaces, intake
        self._contents = _Contents(intake, inspector, paged)
        self._parser: TarParser | None = None

    def take(self, message: memoryview) -> None:
        """One message: a new archive, data of it, or progress."""
        kind = message[0]
        if kind == ord("d"):
            if self._parser is None:
                raise TarDamaged("data comes before an archive")
            self._parser.feed(message[1:])
        elif kind == ord("n"):
            self._begin(bytes(message[1:]).split(b"\0")[0].decode())

    def close(self) -> None:
        if self._parser is None:
            raise TarDamaged("it holds no archive")
        self._parser.close()
        self._contents.close()

    def _begin(self, name: str) -> None:
        if self._parser is not None:
            self._parser.close()
        stem = name.removesuffix(".tar")
        if stem == "base":
            self._contents.begin("pgdata")
            self._intake.directory("pgdata", 0o700, 0)
            self._links()
        else:
            inside = not self._tablespaces[int(stem)].startswith("/")
            prefix = f"pgdata/{layout.TABLESPACE_LINKS}/{stem}" if inside else f"tablespaces/{stem}"
            self._contents.begin(prefix)
            self._intake.directory(prefix, 0o700, 0)
        self._parser = TarParser(self._contents.member, self._contents.data, self._contents.end)

    def _links(self) -> None:
        for oid, location in self._tablespaces.items():
            if location.startswith("/"):
                self._intake.symlink(f"pgdata/{layout.TABLESPACE_LINKS}/{oid}", location)


class _Contents:
    """What the parser finds, assembled into chunks: small files share one, large ones fill pooled buffers."""

    def __init__(self, intake: Intake, inspector: PageInspector, paged: bool) -> None:
        self._intake, self._inspector, self._paged = intake, inspector, paged
        self._small = SmallFiles(intake, inspector)
        self._pool = BufferPool()
        self._prefix = ""
        self._target: memoryview | None = None

    def begin(self, prefix: str) -> None:
        self._prefix = prefix

    def close(self) -> None:
        self._small.flush()

    def member(self, member: TarMember) -> None:
        """A header came. Files that the layout leaves out are read and dropped."""
        path = f"{self._prefix}/{member.name}"
        directory, _, name = member.name.rpartition("/")
        self._target = None
        if member.kind == "directory":
            self._intake.directory(path, member.mode, member.mtime)
        elif member.kind == "file" and not self._left_out(directory, name):
            self._open(path, member)

    def _left_out(self, directory: str, name: str) -> bool:
        ours = self._prefix == "pgdata" and not directory and name in ("backup_label", "tablespace_map")
        return layout.is_excluded(directory, name) and not ours

    def _open(self, path: str, member: TarMember) -> None:
        self._path, self._member = path, member
        self._number = self._intake.file(path, member.mode, member.mtime, member.size)
        self._relation = self._inspector.wants(member.name)
        self._done = 0
        self._next_target()

    def _next_target(self) -> None:
        """Where the next bytes of the file go: shared room, or a buffer of its own for the next block."""
        self._filled = 0
        if self._member.size <= LIMIT:
            self._target = self._small.room(self._member.size)
            return
        self._buffer = self._pool.take()
        self._target = memoryview(self._buffer)[: min(BLOCK, self._member.size - self._done)]

    def data(self, view: memoryview) -> None:
        """Content of the current member."""
        while self._target is not None and view:
            step = min(len(view), len(self._target) - self._filled)
            self._target[self._filled : self._filled + step] = view[:step]
            self._filled += step
            view = view[step:]
            if self._filled == len(self._target) and self._member.size > LIMIT:
                self._block()

    def _block(self) -> None:
        length = self._filled
        piece = Piece(self._number, self._done, length)
        read = self._handing_over(self._buffer, length)
        examine = partial(self._examine, self._path, self._relation, self._done)
        if self._paged and layout.is_main_fork(self._member.name):
            self._intake.submit_pages([piece], read, examine)
        else:
            self._intake.submit([piece], partial(_examined, read, examine))
        self._done += length
        if self._done < self._member.size:
            self._next_target()

    def end(self) -> None:
        """The current member is complete."""
        if self._target is not None and self._member.size <= LIMIT:
            self._small.keep(self._number, self._path, self._member.size, self._relation)
        self._target = None

    def _handing_over(self, source: bytearray, length: int) -> Read:
        pool = self._pool

        def read(_buffer: memoryview) -> memoryview:
            pool.lend(source)
            return memoryview(source)[:length]

        return read

    def _examine(
        self, path: str, relation: layout.RelationFile | None, offset: int, data: memoryview,
        changed: Pages | None,
    ) -> bool:  # fmt: skip
        return relation is not None and self._inspector.inspect(path, relation, data, offset, None, changed)


def _examined(read: Read, examine: Examine, buffer: memoryview) -> memoryview | None:
    data = read(buffer)
    examine(buffer if data is None else data, None)
    return data
