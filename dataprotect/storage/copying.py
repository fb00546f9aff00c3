"""Copying a backup out: windows of blocks in manifest order, few large reads, decoding in parallel.

The caller's thread plans; worker threads read, decode, check the block's digest and only then hand
bytes to the sink (delivering). At most two windows are under way, so memory does not grow with the backup.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import zstandard
from xxhash import xxh3_128_digest

from dataprotect.core.progress import Reporter
from dataprotect.storage.backends.base import Backend
from dataprotect.storage.buffers import BlockBuffers
from dataprotect.storage.delivering import Deliveries, Ready
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import BLOCK, Block, FileEntry, Located, Sink
from dataprotect.storage.pipeline.frames import HEADER, FrameDecoder

WINDOW_BYTES = 32 << 20
_WINDOW_BLOCKS = 8192
_RUN_STORED = 4 << 20
_RUN_PLAIN = 8 << 20
_GAP = 128 << 10
_WINDOWS_UNDER_WAY = 2
_DECODERS = 4096

Files = Iterable[tuple[FileEntry | None, list[Block]]]


@dataclass(slots=True)
class _Wanted:
    """A block to be restored. One in several pieces is gathered in `buffer`, from the first to the last."""

    path: str
    number: int
    offset: int
    length: int
    digest: bytes
    missing: int
    scattered: bool
    buffer: memoryview | None = None


class _Target(NamedTuple):
    """Parts of a decoded frame, (`at`, `length`, `into` of the block) each; `bytes` of them in all."""

    block: _Wanted
    parts: list[tuple[int, int, int]]
    bytes: int


@dataclass(slots=True)
class _Frame:
    place: Located
    targets: list[_Target] = field(default_factory=list)


@dataclass(slots=True)
class _Window:
    """Blocks planned together; `runs` counts what is still being worked on."""

    blocks: int = 0
    bytes: int = 0
    frames: dict[tuple[int, int, int], _Frame] = field(default_factory=dict)
    runs: int = 0


class _Run(NamedTuple):
    """Neighbouring frames of one pack, read at once: `start` and `length` in the pack."""

    window: _Window
    source: int
    pack: int
    start: int
    length: int
    frames: list[_Frame]


@dataclass(frozen=True, slots=True)
class Packs:
    """How packs are found and opened: `name` and `decoder` of (source, pack)."""

    backend: Backend
    name: Callable[[int, int], str]
    open: Callable[[int, int, bytes], FrameDecoder]


class Copier:
    """One restore. Build it, then `run` it once."""

    def __init__(self, packs: Packs, sink: Sink, threads: int, reporter: Reporter) -> None:
        self._packs, self._reporter = packs, reporter
        self._decoders: dict[tuple[int, int], FrameDecoder] = {}
        self._runs: queue.Queue[_Run | None] = queue.Queue()
        self._room = threading.Semaphore(_WINDOWS_UNDER_WAY)
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._buffers = BlockBuffers()
        self._deliveries = Deliveries(sink, self._buffers, self._fail)
        self._threads = [
            threading.Thread(target=self._work, name=f"storage-reader-{n}", daemon=True)
            for n in range(threads)
        ]

    def run(self, files: Files) -> None:
        """Raises DamagedObject for stored bytes that are not what was written, and what the sink raises."""
        for thread in self._threads:
            thread.start()
        try:
            self._plan(files)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            for _ in self._threads:
                self._runs.put(None)
            for thread in self._threads:
                thread.join()
            self._deliveries.close()
        self._raise_failure()

    def _plan(self, files: Files) -> None:
        window, number, entry, offset = _Window(), -1, None, 0
        for found, blocks in files:
            if found is not None:
                entry, number, offset = found, number + 1, 0
                self._deliveries.begin(entry, number)
            assert entry is not None  # noqa: S101  the manifest reader refuses blocks before a file
            for block in blocks:
                length = min(BLOCK, entry.size - offset)
                scattered = len(block.pieces) != 1
                wanted = _Wanted(entry.path, number, offset, length, block.digest, length, scattered)
                _want(window, wanted, block)
                offset += length
                if window.bytes >= WINDOW_BYTES or window.blocks >= _WINDOW_BLOCKS:
                    self._dispatch(window)
                    window = _Window()
        self._dispatch(window)

    def _dispatch(self, window: _Window) -> None:
        """Cut the window into runs and queue them, when an earlier window has made room."""
        self._raise_failure()
        self._reporter.checkpoint()
        runs = _cut(window)
        if not runs:
            return
        self._room.acquire()
        self._raise_failure()
        window.runs = len(runs)
        for run in runs:
            self._runs.put(run)

    def _work(self) -> None:
        decompressor = zstandard.ZstdDecompressor()
        while (run := self._runs.get()) is not None:
            try:
                if self._failure is None:
                    self._decode(run, decompressor)
            except BaseException as error:  # noqa: BLE001  raised again by the caller's thread
                self._fail(error)
            self._done(run.window)

    def _decode(self, run: _Run, decompressor: zstandard.ZstdDecompressor) -> None:
        decoder = self._decoder(run.source, run.pack)
        data = self._packs.backend.read(decoder.name, run.start, run.length)
        if len(data) != run.length:
            raise DamagedObject(decoder.name, "it ends too early")
        view = memoryview(data)
        for frame in run.frames:
            place, buffer = frame.place, self._buffers.take()
            start = place.offset - run.start
            plain = buffer[: place.plain]
            decoder.decode_into(plain, place.frame, view[start : start + place.stored], decompressor)
            if not self._passed_on(frame, plain, buffer, decoder.name):
                for target in frame.targets:
                    self._deliver(target, plain, decoder.name)
                self._buffers.give_back(buffer)
            self._reporter.advance(sum([target.bytes for target in frame.targets]))
            if self._failure is not None:
                return

    def _passed_on(self, frame: _Frame, plain: memoryview, buffer: memoryview, source: str) -> bool:
        """A frame that is one whole block goes on as it is, with the memory it lies in."""
        block = frame.targets[0].block
        if len(frame.targets) > 1 or block.scattered:
            return False
        self._deliveries.later(_whole(frame.targets[0], plain, source), buffer)
        return True

    def _deliver(self, target: _Target, plain: memoryview, source: str) -> None:
        block = target.block
        if not block.scattered:
            self._deliveries.now(_whole(target, plain, source))
            return
        with self._lock:
            if block.buffer is None:
                block.buffer = self._buffers.take()
            buffer = block.buffer
        try:
            for at, length, into in target.parts:
                buffer[into : into + length] = plain[at : at + length]
        except ValueError as error:
            raise DamagedObject(source, f"a piece of {block.path!r} ends behind its frame") from error
        with self._lock:
            block.missing -= target.bytes
            complete = not block.missing
        if complete:
            block.buffer = None
            self._deliveries.later(_proved(block, buffer[: block.length], source), buffer)

    def _decoder(self, source: int, pack: int) -> FrameDecoder:
        found = self._decoders.get((source, pack))
        if found is None:
            if len(self._decoders) >= _DECODERS:
                self._decoders = {}
            header = self._packs.backend.read(self._packs.name(source, pack), 0, HEADER.size)
            found = self._decoders[source, pack] = self._packs.open(source, pack, header)
        return found

    def _done(self, window: _Window) -> None:
        with self._lock:
            window.runs -= 1
            finished = not window.runs
        if finished:
            self._room.release()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _whole(target: _Target, plain: memoryview, source: str) -> Ready:
    """A block that lies in one frame."""
    ((at, length, _),) = target.parts
    return _proved(target.block, plain[at : at + length], source)


def _proved(block: _Wanted, data: memoryview, source: str) -> Ready:
    if len(data) != block.length or xxh3_128_digest(data) != block.digest:
        raise DamagedObject(source, f"the digest of {block.path!r} at {block.offset} does not match")
    return Ready(block.number, block.offset, data)


def _want(window: _Window, wanted: _Wanted, block: Block) -> None:
    """Note for every frame which parts of it the block needs."""
    parts: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
    into = 0
    for source, pack, number, offset, stored, plain, at, length in block.pieces:
        key = (source, pack, number)
        found = parts.get(key)
        if found is None:
            found = parts[key] = []
            if key not in window.frames:
                window.frames[key] = _Frame(Located(*key, offset, stored, plain, 0, plain))
        found.append((at, length, into))
        into += length
    for key, found in parts.items():
        window.frames[key].targets.append(_Target(wanted, found, sum([length for _, length, _ in found])))
    window.blocks += 1
    window.bytes += wanted.length


def _cut(window: _Window) -> list[_Run]:
    """Runs of frames that lie close together, none too large to decode in one go."""
    runs: list[_Run] = []
    group: list[_Frame] = []
    plain = 0
    for key in sorted(window.frames):
        frame = window.frames[key]
        if group and not _joins(group, frame, plain):
            runs.append(_run(window, group))
            group, plain = [], 0
        group.append(frame)
        plain += frame.place.plain
    if group:
        runs.append(_run(window, group))
    return runs


def _joins(group: list[_Frame], frame: _Frame, plain: int) -> bool:
    first, last, place = group[0].place, group[-1].place, frame.place
    return (
        (place.source, place.pack) == (last.source, last.pack)
        and 0 <= place.offset - (last.offset + last.stored) <= _GAP
        and place.offset + place.stored - first.offset <= _RUN_STORED
        and plain + place.plain <= _RUN_PLAIN
    )


def _run(window: _Window, group: list[_Frame]) -> _Run:
    first, last = group[0].place, group[-1].place
    length = last.offset + last.stored - first.offset
    return _Run(window, first.source, first.pack, first.offset, length, group)
