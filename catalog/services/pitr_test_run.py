"""The test of one instant: a clone brought to it, looked at, dropped; and the evidence written down."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from catalog.models import Backup, Instance, Verification
from catalog.services.bandwidth import bandwidth_of
from catalog.services.instance_refresh import instance_refresh
from catalog.services.opening import repository_open, server_binaries
from catalog.services.recovery_choose import recovery_choose
from catalog.services.verification_row import verification_save
from catalog.states import VerificationLevel
from dataprotect.engine import model
from dataprotect.engine.recovery_target import of_plain
from dataprotect.engine.verify import verify
from dataprotect.ops import home
from dataprotect.ops.context import JobContext
from dataprotect.ops.services.audit import audit_record


def pitr_test_run(*, context: JobContext, instance_id: int, target: dict[str, str]) -> dict[str, Any]:
    """An instant that cannot be reached ends the job well: the result says `passed` false, and why.

    The base's own state is left alone: what failed may be the log, and what passed was not compared with
    its source row by row.
    """
    instance = Instance.objects.select_related("repository", "policy").get(pk=instance_id)
    choice = recovery_choose(instance=instance, target=of_plain(target))
    backup = Backup.objects.select_related("instance__tier", "repository").get(
        instance=instance, backup_id=choice.base.backup_id
    )
    outcome = verify(
        "restore",
        repository_open(backup.repository, rate=bandwidth_of(instance, backup.repository)),
        instance.identifier,
        backup.backup_id,
        reporter=context,
        spool=home.spool(),
        clones=home.clones(),
        clone_user=home.clone_user(),
        binaries=server_binaries(),
        choice=choice,
    )
    row = _record(context, backup, str(choice.target), outcome)
    return {
        "backup_id": backup.backup_id,
        "target": str(choice.target),
        "passed": row.passed,
        "checks": row.checks,
        "seconds": round(row.seconds, 3),
        "rto_seconds": None if row.rto_seconds is None else round(row.rto_seconds, 3),
    }


@transaction.atomic
def _record(
    context: JobContext, backup: Backup, target: str, outcome: model.Verification
) -> Verification:  # fmt: skip
    context.hold()
    row = verification_save(context=context, backup=backup, level=VerificationLevel.RESTORE, outcome=outcome)
    instance_refresh(backup.instance)
    data = {"backup": backup.backup_id, "target": target, "passed": row.passed}
    audit_record(actor=context.actor, verb="pitr_test.finished", subject=row, data=data)
    return row
