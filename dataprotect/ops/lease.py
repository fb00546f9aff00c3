"""Owning a job: one conditional UPDATE to claim it, and a fencing number on every write after that.

All instants come from the database's clock where it has one, so that skewed hosts agree on when a lease ends.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet

from dataprotect.core import clock
from dataprotect.core.errors import LeaseLost
from dataprotect.ops import states
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record


@dataclass(slots=True)
class Lease:
    """What one claimant holds. `good_until` is on this process's monotonic clock."""

    job_id: UUID
    owner: str
    fencing: int
    attempt: int
    seconds: float
    good_until: float = field(default=0.0)

    def rows(self) -> QuerySet[Job]:
        """The job, if it is still ours; updating through this writes nothing once the lease is lost."""
        return Job.objects.filter(
            pk=self.job_id, state=states.RUNNING, lease_owner=self.owner, fencing=self.fencing
        )

    def run_out(self) -> bool:
        """True when we could not beat for so long that another worker may own the job by now."""
        return time.monotonic() >= self.good_until

    def renew(self, **changes: object) -> bool:
        """Write `changes` with a fresh lease end. False when the job is not ours any more."""
        asked, now = time.monotonic(), database_now()
        until = now + timedelta(seconds=self.seconds)
        kept = self.rows().update(lease_until=until, heartbeat_at=now, **changes)
        if kept:
            self.good_until = asked + self.seconds
        return bool(kept)

    def hold(self) -> None:
        """In the caller's transaction: raises LeaseLost unless the job is ours; keeps it so until commit."""
        if not self.rows().select_for_update().exists():
            raise LeaseLost


def database_now() -> datetime:
    """The database server's clock; for SQLite that is our own."""
    if connection.vendor != "postgresql":
        return clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        instant: datetime = cursor.fetchone()[0]
    return instant


def claim(job_id: UUID, *, foreground: bool = False) -> Lease | None:
    """Take the job if it is free: queued, or its lease ran out. None when somebody else has or had it,
    or when another running job holds the same exclusive key.
    """
    owner, seconds = new_owner(), float(settings.JOB_LEASE_SECONDS)
    try:
        with transaction.atomic():
            asked, now = time.monotonic(), database_now()
            free = Q(state=states.QUEUED) | Q(state=states.RUNNING, lease_until__lt=now)
            mine = Q() if foreground else Q(foreground=False)
            if not Job.objects.filter(free, mine, pk=job_id, attempts__lt=F("max_attempts")).update(
                state=states.RUNNING, lease_owner=owner, lease_until=now + timedelta(seconds=seconds),
                fencing=F("fencing") + 1, attempts=F("attempts") + 1, heartbeat_at=now, phase="",
                bytes_done=0, bytes_total=None, rate=None, eta_seconds=None,
            ):  # fmt: skip
                return None
            Job.objects.filter(pk=job_id, started_at=None).update(started_at=now)
            job = Job.objects.get(pk=job_id)
            verb = "job.started" if job.attempts == 1 else "job.taken_over"
            audit_record(
                actor="system", verb=verb, subject=job, data={"attempt": job.attempts, "worker": owner}
            )
    except IntegrityError:  # the unique constraint on the exclusive key: another writer is at work
        return None
    return Lease(job.pk, owner, job.fencing, job.attempts, seconds, asked + seconds)


def new_owner() -> str:
    """`place:pid:start:random`: unique for each claim; tells this machine whether the process still lives."""
    return f"{_place()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"


def owner_is_gone(owner: str) -> bool:
    """True only when `owner` was a process of this very machine (and container) that no longer exists."""
    place, _, rest = owner.partition(":")
    pid, _, rest = rest.partition(":")
    if place != _place() or not pid.isdigit():
        return False
    return _started(int(pid)) != rest.partition(":")[0]


def release_dead() -> int:
    """End the leases of processes of this machine that are gone, without waiting for the time to run out."""
    released = 0
    for job in Job.objects.filter(state=states.RUNNING, lease_until__gte=database_now()):
        if owner_is_gone(job.lease_owner):
            held = Job.objects.filter(pk=job.pk, state=states.RUNNING, fencing=job.fencing)
            released += held.update(lease_until=database_now())
    return released


def _place() -> str:
    """Host, boot and process namespace: a pid means something only inside all three."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        space = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        boot = space = "unknown"
    return f"{socket.gethostname()[:60]}/{boot}/{space}"


def _started(pid: int) -> str:
    """The start time of a process in clock ticks (field 22 of its stat); empty when gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
