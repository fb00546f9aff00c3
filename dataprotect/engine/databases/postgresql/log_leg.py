"""One timeline of a log stream: a thread that receives, and one that ships what was received."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn, wal_protocol
from dataprotect.engine.databases.postgresql.log_spool import LogSpool, Piece
from dataprotect.engine.databases.postgresql.replication import Ended, Replication
from dataprotect.engine.databases.postgresql.wal_protocol import Keepalive
from dataprotect.engine.logs import Beats, Exposure, LogListener, LogRequest, LogStatus
from dataprotect.storage.logs import LogWriter, Shipped

DOING = "receiving the log"
_TICK = 0.2
_REPORT_SECONDS = 5.0
_TOLD_SECONDS = 1.0
_DRAIN_SECONDS = 20.0


class LogLeg:
    """`run` returns the (timeline, position) that follows, or None when it was asked to stop."""

    def __init__(
        self,
        replication: Replication,
        request: LogRequest,
        spool: LogSpool,
        writer: Callable[[], LogWriter],
        listener: LogListener,
        beats: Beats,
        exposure: Exposure,
        status: Callable[[LogStatus], None],
    ) -> None:
        self._replication, self._request, self._spool = replication, request, spool
        self._writer, self._listener, self._tell = writer, listener, status
        self._beats, self._exposure = beats, exposure
        self._failure: BaseException | None = None
        self._draining, self._abandoned, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self._server_end, self._reported, self._told = 0, 0.0, 0.0  # 0: not heard from yet
        self._acknowledged = -1
        self._skew: float | None = None
        self._compared = False
        self._shipper = threading.Thread(target=self._ship_all, name="log shipper", daemon=True)

    def run(self, slot: str, stop: threading.Event) -> tuple[int, int] | None:
        """Raises what the server, the repository or the disk failed with; what is stored stays stored."""
        spool = self._spool
        self._replication.send(wal_protocol.start_command(slot, spool.start, spool.timeline), DOING)
        self._replication.result()
        self._shipper.start()
        try:
            following = self._receive(stop)
            self._drain()
            return following
        finally:
            self._abandoned.set()
            spool.wake()
            self._shipper.join()
            spool.close()

    def _receive(self, stop: threading.Event) -> tuple[int, int] | None:
        while not stop.is_set():
            if self._failure is not None:
                raise self._failure
            if self._spool.full:
                stop.wait(_TICK)
            else:
                message = self._replication.receive(_TICK)
                if isinstance(message, Ended):
                    return self._following()
                if message is not None:
                    self._take(message)
            self._report()
        return None

    def _take(self, message: memoryview) -> None:
        found = wal_protocol.parse(message)
        self._server_end = max(self._server_end, found.server_end)
        if isinstance(found, Keepalive):
            if found.reply:
                # A server that shuts down waits until what it sent is stored.
                self._reported = 0.0
                self._hurry.set()
            return
        if found.start != self._spool.received:
            raise _torn(self._spool.received, found.start)
        now = time.time()
        self._skew = min(now - found.sent_at, self._skew if self._skew is not None else now - found.sent_at)
        self._exposure.mark(found.server_end, found.sent_at + self._skew)
        self._spool.append(found.payload)

    def _report(self) -> None:
        """Acknowledge what the repository holds, and nothing more."""
        now, spool = time.monotonic(), self._spool
        stored = min(spool.stored, spool.received)
        if stored != self._acknowledged or now - self._reported >= _REPORT_SECONDS:
            self._replication.reply(wal_protocol.status(spool.received, stored))
            self._acknowledged, self._reported = stored, now
        if now - self._told >= _TOLD_SECONDS:
            self._told = now
            age = self._exposure.seconds(time.time())
            self._tell(LogStatus(spool.timeline, spool.received, stored, self._server_end, age))

    def _following(self) -> tuple[int, int]:
        """The server ended the stream: at the end of an old timeline it says which one follows."""
        rows = self._replication.end_copy()
        if not rows:
            self._drain()
            raise _shut_down(self._request)
        return int(rows[0][0] or 0), lsn.parse(str(rows[0][1]))

    def _drain(self) -> None:
        """Ship everything that was received."""
        self._draining.set()
        self._spool.wake()
        self._shipper.join(_DRAIN_SECONDS)
        if self._failure is not None:
            raise self._failure

    def _ship_all(self) -> None:
        try:
            sliced = time.monotonic()
            while not self._abandoned.is_set():
                due = time.monotonic() - sliced >= self._request.slice_seconds
                all_of_it = self._draining.is_set()
                piece = self._spool.next(slices=due or all_of_it or self._hurry.is_set(), wait=_TICK)
                if piece is not None:
                    if piece.kind == "slice":
                        self._hurry.clear()
                        sliced = time.monotonic()
                    self._ship(piece)
                elif all_of_it:
                    return
        except BaseException as error:  # noqa: BLE001  raised again by the receiving thread
            self._failure = error

    def _ship(self, piece: Piece) -> None:
        writer, name = self._writer(), piece.segment.name
        if not self._compared:
            # Received again from its start: what is stored of it must be the same log.
            writer.compare_slices(
                name, lambda at, size: os.pread(piece.segment.descriptor, size, at), piece.end
            )
            self._compared = True
        beats = self._beats.until(piece.position)
        if piece.kind == "wal":
            shipped: Shipped = writer.ship_segment(name, piece.read, beats)
        else:
            shipped = writer.ship_slice(name, piece.start, piece.end, piece.read, beats)
        self._beats.forget(beats)
        self._spool.done(piece)
        self._exposure.stored(piece.position)
        self._listener.shipped(shipped)


def _torn(expected: int, found: int) -> ForeseenError:
    return ForeseenError(
        "logs.torn",
        f"The server sent its log from {lsn.text(found)} where {lsn.text(expected)} follows.",
        "Nothing: the stream is begun again from what is stored.",
        retry=True,
    )


def _shut_down(request: LogRequest) -> ForeseenError:
    address = request.source.address
    return ForeseenError(
        "logs.server_shut_down",
        f"The server at {address.host}:{address.port} was shut down; everything it had written is stored.",
        "Nothing: the stream goes on when the server is back.",
        retry=True,
    )
