"""What an instance's row says about its backups, so that ten thousand rows can be read without them."""

from __future__ import annotations

from catalog.models import Instance, Verification
from catalog.states import GOOD_BACKUP, VerificationLevel

_FIELDS = ["last_good_backup", "last_good_at", "last_restore_test", "rto_evidence", "updated_at"]


def instance_refresh(instance: Instance) -> None:
    """Point the row at its newest good backup, restore test and RTO evidence; in the caller's transaction."""
    good = instance.backups.filter(state__in=GOOD_BACKUP).order_by("-stopped_at", "-pk").first()
    tests = Verification.objects.filter(backup__instance=instance, level=VerificationLevel.RESTORE)
    newest = tests.order_by("-finished_at", "-pk")
    instance.last_good_backup = good
    instance.last_good_at = good.stopped_at if good else None
    instance.last_restore_test = newest.first()
    instance.rto_evidence = newest.filter(passed=True, rto_seconds__isnull=False).first()
    instance.save(update_fields=_FIELDS)
