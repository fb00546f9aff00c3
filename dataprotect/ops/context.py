"""What a task is given: a reporter that writes the job row, keeps the lease and knows when to end."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connection, transaction

from dataprotect.core.errors import Cancelled, EmergencyStop, LeaseLost
from dataprotect.core.progress import Reporter, Silent
from dataprotect.core.stop_file import stopped
from dataprotect.ops import stop
from dataprotect.ops.lease import Lease
from dataprotect.ops.masking import mask
from dataprotect.ops.models import Job, JobLogLine
from dataprotect.ops.progress import Progress, Snapshot
from dataprotect.ops.services.stop import stop_latch

TICK_SECONDS = 1.0
MOST_LOG_LINES = 10_000
log = logging.getLogger(__name__)


class JobContext:
    """The task's side of its job, a `core.progress.Reporter`: any thread may call it, and no call of the
    protocol waits for the database.

    job_id    the job
    attempt   1, or more when an earlier worker died with this job: what it left behind must be swept first
    actor     who asked for the work
    """

    def __init__(self, job: Job, lease: Lease, listener: Reporter | None = None) -> None:
        self.job_id: UUID = job.pk
        self.attempt: int = lease.attempt
        self.actor: str = job.actor
        self._lease = lease
        self._progress = Progress()
        self._listener: Reporter = listener or Silent()
        self._end: Cancelled | EmergencyStop | LeaseLost | None = None
        self._lines_left = MOST_LOG_LINES
        self._next_beat = time.monotonic() + self.beat_seconds

    @property
    def beat_seconds(self) -> float:
        """Six beats in a lease, 10 s with the default of 60: five may be lost."""
        return self._lease.seconds / 6

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self._progress.phase(name, total_bytes)
        self._listener.phase(name, total_bytes)

    def advance(self, done_bytes: int) -> None:
        self._progress.advance(done_bytes)
        self._listener.advance(done_bytes)

    def note(self, message: str) -> None:
        clean = mask(message)
        self._progress.note(clean)
        self._listener.note(clean)

    def checkpoint(self) -> None:
        """Raises Cancelled, EmergencyStop or LeaseLost when the work must end here."""
        if self._lease.run_out():
            self._end = LeaseLost()
        elif self._end is None and (reason := stop.file_reason()):
            self._end = stopped(reason)
        if self._end is not None:
            raise self._end
        self._listener.checkpoint()

    def hold(self) -> None:
        """For a service about to write what it did: raises LeaseLost unless the job is still ours, and keeps
        it ours until the surrounding transaction commits.
        """
        self._lease.hold()

    def tick(self) -> None:
        """Write what is new, beat when it is time, look whether the work must end. One thread calls this."""
        snapshot, lines = self._progress.take()
        try:
            with transaction.atomic():
                self._write(snapshot, lines)
                self._look()
        except DatabaseError:
            self._progress.put_back(lines)
            log.warning("job %s: the database did not take a beat, trying again", self.job_id, exc_info=True)

    def _write(self, snapshot: Snapshot | None, lines: list[str]) -> None:
        due = time.monotonic() >= self._next_beat
        if snapshot is None and not lines and not due:
            return
        if not self._lease.renew(**_columns(snapshot)):
            self._end = LeaseLost()
            return
        self._next_beat = time.monotonic() + self.beat_seconds
        self._append(lines)

    def _append(self, lines: list[str]) -> None:
        kept = lines[: self._lines_left]
        if kept and len(kept) == self._lines_left:
            kept[-1] = "The log is full; later lines are left out."
        self._lines_left -= len(kept)
        JobLogLine.objects.bulk_create(
            JobLogLine(job_id=self.job_id, attempt=self.attempt, text=line) for line in kept
        )

    def _look(self) -> None:
        if self._end is not None:
            return
        asked = self._lease.rows().values_list("cancel_requested_by", "cancel_requested_at").first()
        if asked is None:
            self._end = LeaseLost()
        elif asked[1] is not None:
            self._end = Cancelled(f"The work was cancelled by {asked[0]}.")
        else:
            stop_latch()
            if reason := stop.stop_reason():
                self._end = stopped(reason)


class Heart(threading.Thread):
    """Ticks for the context once a second on a database connection of its own."""

    def __init__(self, context: JobContext) -> None:
        super().__init__(name=f"job-{context.job_id}", daemon=True)
        self._context, self._done = context, threading.Event()

    def run(self) -> None:
        try:
            while not self._done.wait(TICK_SECONDS):
                self._context.tick()
        finally:
            connection.close()

    def stop(self) -> None:
        self._done.set()
        self.join()


def _columns(snapshot: Snapshot | None) -> dict[str, Any]:
    if snapshot is None:
        return {}
    from dataprotect.core import clock

    return {
        "phase": snapshot.phase,
        "bytes_done": snapshot.done,
        "bytes_total": snapshot.total,
        "rate": snapshot.rate,
        "eta_seconds": snapshot.eta,
        "progress_at": clock.now(),
    }
