"""The log written while a backup runs, received over a temporary slot and stored with it, so that it stands
alone.
"""

from __future__ import annotations

import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn, wal_protocol
from dataprotect.engine.databases.postgresql.replication import Ended, Replication
from dataprotect.engine.databases.postgresql.wal_protocol import Keepalive, Segment
from dataprotect.engine.model import Address
from dataprotect.storage.logs.layout import segment_start

_DOING = "receiving the log"
_STATUS_EVERY = 5.0
_TICK = 0.1
_LISTEN = 0.02
"""How long the receiver listens before it looks whether it has all it needs: every backup waits for that."""
_FINISH_TIMEOUT = 300.0


class WalReceiver:
    """Open before the backup starts (the slot then holds the log back), `start` at its start position,
    `finish`
    once the end is known. Received segments wait in nameless files of the spool until they are taken.
    """

    def __init__(self, address: Address, spool: Path, timeline: int, segment_size: int) -> None:
        self._spool, self._timeline, self._segment_size = spool, timeline, segment_size
        self._ready: queue.SimpleQueue[Segment] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._until: int | None = None
        self._failure: BaseException | None = None
        self._position = 0
        self._open: Segment | None = None
        self._thread: threading.Thread | None = None
        self._replication = Replication(address, "dataprotect wal", self._pulse)
        self.slot = f"dataprotect_{secrets.token_hex(8)}"
        try:
            self._replication.rows(
                f"CREATE_REPLICATION_SLOT {self.slot} TEMPORARY PHYSICAL RESERVE_WAL", "reserving the log"
            )
        except BaseException:
            self._replication.close()
            raise

    def history(self) -> tuple[str, bytes] | None:
        """Name and content of the timeline's history file; None on the first timeline."""
        if self._timeline == 1:
            return None
        row = self._replication.rows(f"TIMELINE_HISTORY {self._timeline}", "reading the timeline's history")[
            0
        ]
        return str(row[0]), str(row[1]).encode()

    def start(self, position: int) -> None:
        """Receive from the beginning of the segment that holds `position`, in a thread of its own."""
        self._position = position - position % self._segment_size
        self._replication.send(wal_protocol.start_command(self.slot, self._position, self._timeline), _DOING)
        self._replication.result()
        self._thread = threading.Thread(target=self._run, name="wal receiver", daemon=True)
        self._thread.start()

    def taken(self) -> Iterator[Segment]:
        """The segments that are complete by now. Raises what ended the receiver, if it failed."""
        while True:
            try:
                yield self._ready.get_nowait()
            except queue.Empty:
                break
        if self._failure is not None:
            raise self._failure

    def finish(self, position: int, checkpoint: Callable[[], None]) -> Iterator[Segment]:
        """Receive up to `position`, then end; yields the remaining segments, the last one padded with zeros.

        A busy server sends more than was asked for; nothing behind `position` is kept, so that the log stored
        with a backup ends where the backup says.
        """
        self._until = position
        thread = self._thread
        assert thread is not None  # noqa: S101  start() came first
        deadline = time.monotonic() + _FINISH_TIMEOUT
        while thread.is_alive():
            thread.join(_TICK)
            checkpoint()
            yield from self._cut(self.taken(), position)
            if time.monotonic() > deadline:
                raise _silent(position)
        self.close()
        yield from self._cut(self.taken(), position)

    def _cut(self, segments: Iterator[Segment], position: int) -> Iterator[Segment]:
        for segment in segments:
            kept = position - segment_start(segment.name, segment.size)
            if kept <= 0:
                os.close(segment.descriptor)
                continue
            if kept < segment.size:
                os.ftruncate(segment.descriptor, kept)
                os.ftruncate(segment.descriptor, segment.size)
            yield segment

    def close(self) -> None:
        """End the thread, the connection (and with it the slot) and every file not taken. Safe to call
        twice.
        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._replication.close()

    def discard(self) -> None:
        """Close, and let go of what nobody will take any more."""
        self.close()
        while not self._ready.empty():
            os.close(self._ready.get().descriptor)
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def _run(self) -> None:
        try:
            self._receive()
        except OSError as error:
            self._failure = _spool_failed(self._spool, error)
        except BaseException as error:  # noqa: BLE001  handed to the thread that takes the segments
            self._failure = error

    def _receive(self) -> None:
        reported = time.monotonic()
        while not self._stop.is_set():
            message = self._replication.receive(_LISTEN)
            if isinstance(message, Ended):
                self._replication.result()
                raise _ended(self._position)
            asked = message is not None and self._take(message)
            if self._until is not None and self._position >= self._until:
                self._complete()
                return
            if asked or time.monotonic() - reported >= _STATUS_EVERY:
                self._report()
                reported = time.monotonic()

    def _take(self, message: memoryview) -> bool:
        """Handle one message; True when the server wants to hear from us."""
        found = wal_protocol.parse(message)
        if isinstance(found, Keepalive):
            return found.reply
        if found.start != self._position:
            raise _ended(self._position)
        self._store(found.payload)
        return False

    def _store(self, data: memoryview) -> None:
        while data:
            if self._open is None:
                self._open = wal_protocol.new_segment(
                    self._spool, self._timeline, self._position, self._segment_size
                )
            offset = self._position % self._segment_size
            part = data[: self._segment_size - offset]
            written = os.pwrite(self._open.descriptor, part, offset)
            self._position += written
            data = data[written:]
            if self._position % self._segment_size == 0:
                self._complete()

    def _complete(self) -> None:
        if self._open is not None:
            self._ready.put(self._open)
            self._open = None

    def _report(self) -> None:
        self._replication.reply(wal_protocol.status(self._position, self._position))

    def _pulse(self) -> None:
        if self._stop.is_set():
            raise _ended(self._position)


def _ended(position: int) -> ForeseenError:
    return ForeseenError(
        "postgresql.wal_ended",
        f"The server ended the log stream at {lsn.text(position)}, before the backup was complete.",
        "Run the backup again; if it repeats, read what the server's log says.",
        retry=True,
    )


def _spool_failed(spool: Path, error: OSError) -> ForeseenError:
    return ForeseenError(
        "backup.spool",
        f"The log could not be kept in the spool {spool} ({os.strerror(error.errno or 0)}).",
        "Make room on that disk, or let the spool be somewhere else; then run the backup again.",
    )


def _silent(position: int) -> ForeseenError:
    return ForeseenError(
        "postgresql.wal_late",
        f"The server did not send its log up to {lsn.text(position)} within {_FINISH_TIMEOUT:.0f} s.",
        "Check that its WAL senders make progress, then run the backup again.",
        retry=True,
    )
