"""The threads that read, hash, compress, encrypt and store chunks.

Each worker owns one open pack, so nothing is shared on the way of a byte. A full pack goes to the
committer thread: an fsync then stalls nobody who still has work.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.progress import Reporter
from dataprotect.storage.model import Task
from dataprotect.storage.pipeline.block_worker import BlockWorker, OldBlocks
from dataprotect.storage.pipeline.objects import FramedObject, StoredObject
from dataprotect.storage.pipeline.packing import Destination, PackDoors
from dataprotect.storage.pipeline.spool import Spool

PACK_BYTES = 64 << 20
_PACKS_WAITING = 2


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """threads: workers. level: zstd. pack_bytes: largest pack. spool: folder for the temporary list."""

    threads: int = 2
    level: int = 3
    pack_bytes: int = PACK_BYTES
    spool: Path | None = None

    def __post_init__(self) -> None:
        if self.threads < 1 or not 1 <= self.level <= 22 or self.pack_bytes < 1024:
            raise ValueError("expected at least one thread, a zstd level of 1-22, packs of 1 KiB or more")


class Pipeline:
    """Start it by building it; end it by exactly one of `close` and `abort`."""

    def __init__(
        self,
        destination: Destination,
        spool: Spool,
        options: WriteOptions,
        reporter: Reporter,
        old: OldBlocks | None = None,
    ) -> None:
        self._shared = _Shared(destination, spool, options, reporter, old)
        self._ended = False
        self._workers = [
            threading.Thread(target=_work, args=(self._shared,), name=f"storage-writer-{n}", daemon=True)
            for n in range(options.threads)
        ]
        self._committer = threading.Thread(
            target=_commit, args=(self._shared,), name="storage-committer", daemon=True
        )
        for thread in [*self._workers, self._committer]:
            thread.start()

    def submit(self, task: Task) -> None:
        """Hand over work; waits while the workers are busy. Raises what a worker failed with."""
        self.raise_failure()
        self._shared.tasks.put(task)

    def raise_failure(self) -> None:
        if self._shared.failure is not None:
            raise self._shared.failure

    def close(self) -> list[StoredObject]:
        """Finish everything; the packs in name order, all durable. Raises what a worker failed with."""
        self._end()
        self.raise_failure()
        return sorted(self._shared.stored, key=lambda stored: stored.name)

    def abort(self) -> None:
        """Stop as soon as possible; open packs leave no trace."""
        self._shared.fail(RuntimeError("the backup was aborted"))
        self._end()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for _ in self._workers:
            self._shared.tasks.put(None)
        for thread in self._workers:
            thread.join()
        self._shared.packs.put(None)
        self._committer.join()


@dataclass
class _Shared:
    """What the threads of one pipeline have in common."""

    destination: Destination
    spool: Spool
    options: WriteOptions
    reporter: Reporter
    old: OldBlocks | None
    stored: list[StoredObject] = field(default_factory=list)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.tasks: queue.Queue[Task | None] = queue.Queue(maxsize=2 * self.options.threads)
        self.packs: queue.Queue[FramedObject | None] = queue.Queue(maxsize=_PACKS_WAITING)
        self._lock = threading.Lock()
        self._last_pack = 0

    def fail(self, error: BaseException) -> None:
        """The first failure is the one that is told."""
        with self._lock:
            self.failure = self.failure or error

    def next_pack_number(self) -> int:
        with self._lock:
            self._last_pack += 1
            return self._last_pack

    def worker(self) -> BlockWorker:
        doors = PackDoors(self.next_pack_number, self.packs.put)
        options = self.options
        return BlockWorker(
            self.destination, options.pack_bytes, options.level, doors, self.spool, self.reporter, self.old
        )


def _work(shared: _Shared) -> None:
    worker = shared.worker()
    # After a failure the queue is still emptied: whoever waits to submit must not wait for ever.
    while (task := shared.tasks.get()) is not None:
        if shared.failure is None:
            _guarded(shared, lambda: worker.handle(task))
    if shared.failure is None:
        _guarded(shared, worker.finish)
    if shared.failure is not None:
        worker.abort()


def _commit(shared: _Shared) -> None:
    while (pack := shared.packs.get()) is not None:
        if shared.failure is None:
            _guarded(shared, lambda: _commit_pack(shared, pack))
        if shared.failure is not None:
            pack.abort()


def _commit_pack(shared: _Shared, pack: FramedObject) -> None:
    steps.reached("storage.pack.before_commit")
    shared.stored.append(pack.commit())
    steps.reached("storage.pack.after_commit")


def _guarded(shared: _Shared, action: Callable[[], None]) -> None:
    try:
        action()
    except BaseException as error:  # noqa: BLE001  told to the caller by the next submit or close
        shared.fail(error)
