"""Choosing what a restore test of an instance proves next, and asking for it."""

from __future__ import annotations

from django.db.models import F, Max, Q, QuerySet

from catalog.models import Backup, Instance
from catalog.services.access import Actor
from catalog.services.verification_start import verification_start
from catalog.states import GOOD_BACKUP, BackupState, VerificationLevel
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import Job


def restore_test_start(*, actor: Actor, instance: Instance) -> Job:
    """Queue a restore test of the backup that needs it most.

    Raises `restore_test.nothing` without a good backup, and what `verification_start` raises.
    """
    backup = restore_test_choose(instance)
    if backup is None:
        raise ForeseenError(
            "restore_test.nothing",
            f"{instance.name} has no good backup that could be tested.",
            "Take a backup first; the next test finds it.",
        )
    return verification_start(actor=actor, backup=backup, level=VerificationLevel.RESTORE)


def restore_test_choose(instance: Instance) -> Backup | None:
    """The newest good backup that was never restore-tested; if all were, the one tested longest ago.

    So what is taken next is proved first, and every older backup that is still kept gets its turn again.
    """
    good = Backup.objects.filter(instance=instance, state__in=GOOD_BACKUP).select_related("instance")
    untested = good.exclude(state=BackupState.RESTORE_TESTED).order_by("-stopped_at", "-pk").first()
    return untested or _tested_longest_ago(good)


def _tested_longest_ago(good: QuerySet[Backup]) -> Backup | None:
    tests = Q(verifications__level=VerificationLevel.RESTORE)
    return (
        good.annotate(tested=Max("verifications__finished_at", filter=tests))
        .order_by(F("tested").asc(nulls_first=True), "-stopped_at")
        .first()
    )
