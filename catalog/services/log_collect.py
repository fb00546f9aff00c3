"""The collector: one stream per instance of its site, each in a thread, watched and begun again.

Threads, not processes: a stream waits for its socket, compresses and encrypts, all outside the interpreter's
lock; a process per instance would cost a Django each. All writing to the catalog happens in one thread.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections

from catalog.models import EncryptionKey, Instance, LogCollector
from catalog.selectors.streaming import streaming_instances
from catalog.services import log_housekeeping, log_trouble
from catalog.services.log_archive import archived_adopt
from catalog.services.log_lease import CollectorLease, lease_claim
from catalog.services.log_record import LogRecorder
from catalog.services.log_slots import slot_forget, slot_of_removed
from catalog.services.opening import repository_open, source_of
from catalog.states import CollectorState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, LeaseLost
from dataprotect.engine.logs import PERMANENT, LogRequest, LogStreamer, log_stream
from dataprotect.ops import home
from dataprotect.ops.lease import new_owner
from dataprotect.storage.logs import LogWriter

_TICK = 1.0
_LOOK_EVERY = 3.0
_HOUSEKEEPING_EVERY = 20.0
_THIN_EVERY = 600.0
_LONGEST_PAUSE = 60.0
_REFUSED_PAUSE = 300.0
_STOP_SECONDS = 10.0
log = logging.getLogger(__name__)


@dataclass
class Stream:
    """One instance this collector holds."""

    instance: Instance
    lease: CollectorLease
    recorder: LogRecorder
    signature: tuple[object, ...]
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    error: BaseException | None = None
    failures: int = 0
    next_try: float = 0.0
    well: bool = False
    """It was seen to stream since it was begun."""

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class Collector:
    """`run` until `stop` is set. `only` is the name of one instance; `once` ends when all have caught up."""

    def __init__(self, *, site: str = "", only: str = "", once: bool = False) -> None:
        self._site, self._only, self._once = site, only, once
        self._owner = new_owner()
        self._streams: dict[int, Stream] = {}
        self._looked = self._kept_house = self._thinned = float("-inf")

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._tick()
                if self._once and self._caught_up():
                    break
                stop.wait(_TICK)
        finally:
            self._end_all()

    def _tick(self) -> None:
        """Nothing here may end the collector: what fails is tried again at the next tick."""
        try:
            self._look_after_leases()
            now = time.monotonic()
            if now - self._looked >= _LOOK_EVERY:
                self._look()
                self._looked = now
            for stream in list(self._streams.values()):
                self._look_after(stream)
            if now - self._kept_house >= _HOUSEKEEPING_EVERY:
                self._kept_house = now
                self._keep_house()
        except DatabaseError:
            log.warning("the catalog cannot be used; streams go on without it", exc_info=True)
            close_old_connections()

    def _keep_house(self) -> None:
        archived_adopt()
        known = log_housekeeping.slots_known()
        for stream in list(self._streams.values()):
            log_housekeeping.instance_tend(stream.instance, stream.recorder.status_now, known)
        if time.monotonic() - self._thinned >= _THIN_EVERY:
            self._thinned = time.monotonic()
            for stream in list(self._streams.values()):
                log_housekeeping.log_thin(instance=stream.instance, now=clock.now())

    def _look(self) -> None:
        """Begin what is wanted and free, end what is not wanted or changed."""
        wanted = {row.pk: row for row in self._wanted()}
        for key in list(self._streams):
            row = wanted.get(key)
            if row is None:
                self._end(self._streams.pop(key), off=True)
            elif _changed(row, self._streams[key]):
                self._end(self._streams.pop(key))
        for key, row in wanted.items():
            if key not in self._streams and len(self._streams) < settings.LOG_STREAMS:
                self._claim(row)
        for left in LogCollector.objects.exclude(slot_name="").exclude(instance__in=list(wanted)):
            self._let_go(left)

    def _wanted(self) -> list[Instance]:
        found = streaming_instances(site=self._site)
        return list(found.filter(name=self._only) if self._only else found)

    def _claim(self, row: Instance) -> None:
        lease = lease_claim(instance_id=row.pk, owner=self._owner)
        if lease is not None:
            self._streams[row.pk] = Stream(row, lease, LogRecorder(row, lease), _signature(row))
            log.info("collecting the log of %s", row.name)

    def _let_go(self, row: LogCollector) -> None:
        """Streaming was switched off: nobody needs the slot any more."""
        if self._only or row.instance_id in self._streams:
            return
        instance = Instance.objects.get(pk=row.instance_id)
        if self._site and instance.region != self._site:
            return
        if streaming_instances().filter(pk=instance.pk).exists():
            return
        lease = lease_claim(instance_id=row.instance_id, owner=self._owner)
        if lease is None:
            return
        try:
            slot_forget(instance=instance, lease=lease)
        except ForeseenError as error:
            lease.rows().update(last_error=error.message[:500], last_error_code=error.code)
        finally:
            lease.release()

    def _look_after_leases(self) -> None:
        for key, stream in list(self._streams.items()):
            remaining = stream.lease.good_until - time.monotonic()
            if remaining < stream.lease.seconds * 0.85:
                try:
                    kept = stream.lease.renew()
                except DatabaseError:
                    kept = not stream.lease.run_out
                if not kept:
                    log.warning("another collector took over the log of %s", stream.instance.name)
                    self._end(self._streams.pop(key))

    def _look_after(self, stream: Stream) -> None:
        if not stream.running:
            if stream.thread is not None:
                self._ended(stream)
            if time.monotonic() >= stream.next_try:
                self._begin(stream)
        try:
            stream.recorder.flush()
        except LeaseLost:
            self._end(self._streams.pop(stream.instance.pk))
        if stream.running and stream.recorder.status_now is not None and not stream.well:
            stream.well, stream.failures = True, 0
            log_trouble.over(stream.instance)

    def _begin(self, stream: Stream) -> None:
        stream.lease.rows().update(state=CollectorState.STARTING, state_changed_at=clock.now())
        stream.stop, stream.error, stream.well = threading.Event(), None, False
        stream.recorder.status_now = None
        try:
            work = _stream_of(stream)
        except ForeseenError as error:
            stream.error = error
            self._ended(stream)
            return
        stream.thread = threading.Thread(
            target=_run, args=(work, stream), name=f"log of {stream.instance.name}", daemon=True
        )
        stream.thread.start()

    def _ended(self, stream: Stream) -> None:
        """It failed: the next try comes after a longer and longer pause."""
        stream.thread = None
        error = stream.error
        if error is None:
            return
        stream.failures += 1
        code = error.code if isinstance(error, ForeseenError) else "logs.bug"
        refused = code in PERMANENT
        pause = _REFUSED_PAUSE if refused else min(_LONGEST_PAUSE, 2.0 ** min(stream.failures - 1, 6))
        pause *= random.uniform(0.8, 1.2)  # noqa: S311  only so that many do not come at once
        stream.next_try = time.monotonic() + pause
        words = error.message if isinstance(error, ForeseenError) else "The collector failed; see its log."
        stream.lease.rows().update(
            state=CollectorState.REFUSED if refused else CollectorState.WAITING,
            state_changed_at=clock.now(), failures=stream.failures, last_error=words[:500],
            last_error_code=code, next_try_at=clock.now() + timedelta(seconds=pause),
        )  # fmt: skip
        if refused and isinstance(error, ForeseenError):
            log_trouble.refused(stream.instance, error)

    def _end(self, stream: Stream, *, off: bool = False) -> None:
        """Ask it to end, which ships what was received; then let others in."""
        stream.stop.set()
        if stream.thread is not None:
            stream.thread.join(_STOP_SECONDS)
        try:
            slot_of_removed(instance=stream.instance)
            stream.recorder.flush()
            if off:
                slot_forget(instance=stream.instance, lease=stream.lease)
        except (LeaseLost, DatabaseError):
            log.warning("the log of %s was not written down to its end", stream.instance.name)
        except ForeseenError as error:
            stream.lease.rows().update(last_error=error.message[:500], last_error_code=error.code)
        finally:
            _release(stream)

    def _end_all(self) -> None:
        """All at the same time, so that stopping does not take a pause for each."""
        for stream in self._streams.values():
            stream.stop.set()
        for key in list(self._streams):
            self._end(self._streams.pop(key))

    def _caught_up(self) -> bool:
        """For `once`: each stream has seen the server's end at least once, or has failed."""
        if not self._streams:
            return not self._wanted()
        return all(
            stream.failures > 0
            or (
                (status := stream.recorder.status_now) is not None
                and status.received >= status.server_end > 0
            )
            for stream in self._streams.values()
        )


def _stream_of(stream: Stream) -> LogStreamer:
    instance = stream.instance

    def open_writer(system_identifier: str, segment_size: int, went_back: bool) -> LogWriter:
        return LogWriter.open(
            repository_open(instance.repository, write=True), instance.identifier, engine=instance.engine,
            system_identifier=system_identifier, segment_size=segment_size, went_back=went_back,
        )  # fmt: skip

    request = LogRequest(
        source=source_of(instance),
        system_identifier=instance.system_identifier,
        spool=home.spool(),
        slice_seconds=settings.LOG_SLICE_SECONDS,
        heartbeat_seconds=settings.LOG_HEARTBEAT_SECONDS,
        spool_bytes=settings.LOG_SPOOL_BYTES,
    )
    return log_stream(instance.engine, request, open_writer, stream.recorder)


def _run(work: LogStreamer, stream: Stream) -> None:
    """In the stream's own thread; it never touches the catalog."""
    try:
        work.run(stream.stop)
    except ForeseenError as error:
        stream.error = error
    except Exception as error:
        log.exception("the stream of %s failed", stream.instance.name)
        stream.error = error


def _changed(row: Instance, stream: Stream) -> bool:
    """Another address, key or place; or another cluster was accepted as the instance's."""
    return _signature(row) != stream.signature or row.system_identifier != stream.instance.system_identifier


def _signature(row: Instance) -> tuple[object, ...]:
    """When one of these changes, the stream is begun again."""
    key = EncryptionKey.objects.filter(is_current=True).values_list("key_id", flat=True).first()
    return (
        row.host, row.port, row.user, row.database, row.password_sealed, row.tls_mode, row.tls_ca_file,
        row.tls_certificate_file, row.tls_key_file, row.repository_id, row.identifier, key,
    )  # fmt: skip


def _release(stream: Stream) -> None:
    try:
        stream.lease.release()
    except DatabaseError:
        log.warning("the lease of %s runs out by itself", stream.instance.name)
