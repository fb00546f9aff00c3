"""The log of a PostgreSQL server, received over a permanent slot and shipped into a repository.

The slot keeps everything that was not acknowledged, and nothing is acknowledged before the repository holds
it: whatever dies, the next stream goes on where the stored log ends.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import log_origin
from dataprotect.engine.databases.postgresql.heartbeat import HeartbeatTimer
from dataprotect.engine.databases.postgresql.log_leg import LogLeg
from dataprotect.engine.databases.postgresql.log_origin import Origin, Way
from dataprotect.engine.databases.postgresql.log_spool import LogSpool
from dataprotect.engine.databases.postgresql.replication import Replication
from dataprotect.engine.databases.postgresql.slots import Slot
from dataprotect.engine.logs import Beats, Exposure, LogListener, LogRequest, LogStatus, OpenWriter
from dataprotect.storage.logs import DifferentLog, LogWriter

_WRITER_CHECK_SECONDS = 60.0


class PostgresLogStream:
    """One stream; `run` it once."""

    def __init__(self, request: LogRequest, open_writer: OpenWriter, listener: LogListener) -> None:
        self._request, self._open_writer, self._listener = request, open_writer, listener
        self._beats, self._exposure = Beats(), Exposure()
        self._slots: list[Slot] = []
        self._timer: HeartbeatTimer | None = None
        self._timeline = 0
        self._writer: LogWriter | None = None
        self._origin: Origin | None = None
        self._writer_checked = 0.0
        self._slot_lost = False

    def run(self, stop: threading.Event) -> None:
        """Stream until `stop`. Raises ForeseenError; `retry` says whether the next attempt may succeed."""
        way: Way = "on"
        while not stop.is_set():
            try:
                self._run(stop, way)
                return
            except DifferentLog:
                if way == "back":
                    raise
                way = "back"
            except ForeseenError as error:
                if error.code != "postgresql.wal_removed" or way == "removed":
                    raise
                way = "removed"

    def _run(self, stop: threading.Event, way: Way) -> None:
        request = self._request

        def pulse() -> None:
            """Waiting ends by itself every second; the loops look at `stop`."""

        with Replication(request.source.address, "dataprotect log", pulse) as replication:
            origin = log_origin.find(replication, request, self._open_writer, way, self._slot_lost)
            self._slot_lost = origin.slot_lost
            self._begin(replication, origin)
            self._timer = HeartbeatTimer(
                request.source.address, origin.slot, request.heartbeat_seconds, self._beats.add, self._look
            )
            self._timer.start()
            try:
                self._follow(replication, origin, stop)
            finally:
                self._timer.close()

    def _begin(self, replication: Replication, origin: Origin) -> None:
        """Tell what was found; store the history of the timeline that is streamed."""
        self._origin, self._writer = origin, origin.writer
        place = origin.resume
        self._store_history(replication, place.timeline)
        if origin.gap is not None:
            self._listener.gap(origin.gap)
        if place.base_reason:
            self._listener.base_needed(place.base_reason)
        self._timeline = place.timeline
        self._listener.started(
            timeline=place.timeline, position=place.position, slot=origin.slot,
            system_identifier=origin.system_identifier,
        )  # fmt: skip

    def _follow(self, replication: Replication, origin: Origin, stop: threading.Event) -> None:
        """One leg per timeline. A new one is received from the start of the segment it begins in."""
        place: tuple[int, int] | None = (origin.resume.timeline, origin.resume.position)
        stored = origin.writer.stored_end
        while place is not None:
            self._timeline, position = place
            if stored is None or stored != place:
                position -= position % origin.segment_size
            place = self._leg(replication, origin, position).run(origin.slot, stop)
            if place is not None:
                self._store_history(replication, place[0])
            stored = None

    def _leg(self, replication: Replication, origin: Origin, position: int) -> LogLeg:
        spool = LogSpool(
            self._request.spool, self._timeline, origin.segment_size, position, self._request.spool_bytes
        )
        return LogLeg(
            replication, self._request, spool, self._current_writer, self._listener, self._beats,
            self._exposure, self._tell,
        )  # fmt: skip

    def _current_writer(self) -> LogWriter:
        """The writer, renewed when its stream is due to end."""
        origin, writer = self._origin, self._writer
        assert origin is not None and writer is not None  # noqa: S101  _begin came first
        now = time.monotonic()
        if now - self._writer_checked < _WRITER_CHECK_SECONDS:
            return writer
        self._writer_checked = now
        if writer.outdated:
            self._writer = writer = self._open_writer(origin.system_identifier, origin.segment_size, False)
        return writer

    def _store_history(self, replication: Replication, timeline: int) -> None:
        content = log_origin.timeline_history(replication, timeline)
        if content:
            writer = self._current_writer()
            writer.ship_history(timeline, content)
            self._listener.history(timeline, content, writer.stream.lineage)

    def _look(self, found: list[Slot]) -> None:
        self._slots = found

    def _tell(self, status: LogStatus) -> None:
        name = self._origin.slot if self._origin else ""
        slot = next((each for each in self._slots if each.name == name), None)
        self._listener.status(
            replace(
                status,
                slot_status=slot.status if slot else None,
                slot_retained=slot.retained if slot else None,
                others=tuple(each.name for each in self._slots if each.name != name),
                problem=self._timer.problem if self._timer else "",
            )
        )
