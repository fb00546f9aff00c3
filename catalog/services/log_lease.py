"""Owning the collection of one instance's log: claimed by one conditional UPDATE, fenced like a job."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet

from catalog.models import LogCollector
from dataprotect.core.errors import LeaseLost
from dataprotect.ops.lease import database_now, owner_is_gone


@dataclass(slots=True)
class CollectorLease:
    """What one collector holds. `good_until` is on this process's monotonic clock."""

    instance_id: int
    owner: str
    fencing: int
    seconds: float
    good_until: float

    def rows(self) -> QuerySet[LogCollector]:
        """The row, if it is still ours; updating through this writes nothing once the lease is lost."""
        return LogCollector.objects.filter(
            instance_id=self.instance_id, lease_owner=self.owner, fencing=self.fencing
        )

    def renew(self) -> bool:
        """False when another collector has it."""
        asked, until = time.monotonic(), database_now() + timedelta(seconds=self.seconds)
        kept = self.rows().update(lease_until=until)
        if kept:
            self.good_until = asked + self.seconds
        return bool(kept)

    @property
    def run_out(self) -> bool:
        """True when another collector may have it by now."""
        return time.monotonic() >= self.good_until

    def hold(self) -> None:
        """In the caller's transaction: raises LeaseLost unless it is ours; keeps it so until commit."""
        if not self.rows().select_for_update().exists():
            raise LeaseLost("Another collector has taken over this instance's log.")

    def release(self) -> None:
        """Let the next one in at once."""
        self.rows().update(lease_owner="", lease_until=None)


def lease_claim(*, instance_id: int, owner: str) -> CollectorLease | None:
    """Take the instance's log if nobody has it, or whoever had it is gone. None when it is taken."""
    LogCollector.objects.get_or_create(instance_id=instance_id)
    asked, now, seconds = time.monotonic(), database_now(), float(settings.LOG_LEASE_SECONDS)
    free = Q(lease_owner="") | Q(lease_until__lt=now)
    row = LogCollector.objects.filter(instance_id=instance_id).first()
    if row is not None and row.lease_owner and owner_is_gone(row.lease_owner):
        free |= Q(lease_owner=row.lease_owner, fencing=row.fencing)
    taken = LogCollector.objects.filter(free, instance_id=instance_id).update(
        lease_owner=owner, lease_until=now + timedelta(seconds=seconds), fencing=F("fencing") + 1
    )
    if not taken:
        return None
    fencing = LogCollector.objects.values_list("fencing", flat=True).get(instance_id=instance_id)
    return CollectorLease(instance_id, owner, fencing, seconds, asked + seconds)
