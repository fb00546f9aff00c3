"""Verifying a backup, in the job, and writing down what was proved."""

from __future__ import annotations

import time
from typing import Any, cast

from django.db import transaction

from catalog.models import Backup, Verification
from catalog.services.backup_judge import verification_judge
from catalog.services.backup_state import backup_move
from catalog.services.bandwidth import bandwidth_of
from catalog.services.instance_refresh import instance_refresh
from catalog.services.opening import repository_open, server_binaries
from catalog.services.verification_row import verification_save
from catalog.states import LEAVING_BACKUP, BackupState, VerificationLevel, backup_state_after
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.steps import reached
from dataprotect.engine import model
from dataprotect.engine.verify import Level, verify
from dataprotect.ops import home
from dataprotect.ops.context import JobContext
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.documents import DamagedObject

_GONE = ("backup.missing", "storage.object_missing")


def verification_run(*, context: JobContext, backup_id: str, level: str) -> dict[str, Any]:
    """One verification. A backup that fails it ends the job well: the result says `passed` false."""
    backup = Backup.objects.select_related("instance__tier", "instance__policy", "repository").get(
        backup_id=backup_id
    )
    row = verification_take(context=context, backup=backup, level=VerificationLevel(level))
    return {
        "backup_id": backup_id,
        "level": row.level,
        "passed": row.passed,
        "state": backup.state,
        "checks": row.checks,
        "seconds": round(row.seconds, 3),
        "rto_seconds": None if row.rto_seconds is None else round(row.rto_seconds, 3),
    }


def verification_take(*, context: JobContext, backup: Backup, level: VerificationLevel) -> Verification:
    """Verify and record. Damage is a finding, not a failure: the row says what was found where."""
    outcome = _outcome(context, backup, level)
    reached("verification.before_row")
    with transaction.atomic():
        context.hold()
        return verification_record(context=context, backup=backup, level=level, outcome=outcome)


def _outcome(context: JobContext, backup: Backup, level: VerificationLevel) -> model.Verification:
    word = cast(Level, level.value)
    started, began = clock.now(), time.monotonic()
    try:
        return verify(
            word,
            repository_open(backup.repository, rate=bandwidth_of(backup.instance, backup.repository)),
            backup.instance.identifier,
            backup.backup_id,
            reporter=context,
            spool=home.spool(),
            clones=home.clones() if level == VerificationLevel.RESTORE else None,
            clone_user=home.clone_user(),
            binaries=server_binaries(),
        )
    except ForeseenError as error:
        if not isinstance(error, DamagedObject) and error.code not in _GONE:
            raise
        check = model.Check("seal", False, "a seal that is whole and genuine", error.message)
        seconds = time.monotonic() - began
        return model.Verification(word, False, (check,), seconds, started, clock.now())


def verification_record(
    *, context: JobContext, backup: Backup, level: VerificationLevel, outcome: model.Verification
) -> Verification:
    """The row, the state it earns, and the alert; in the caller's transaction, which holds the job."""
    row = verification_save(context=context, backup=backup, level=level, outcome=outcome)
    _earn(context, backup, row)
    instance_refresh(backup.instance)
    verification_judge(backup, row)
    data = {"backup": backup.backup_id, "level": row.level, "passed": row.passed}
    audit_record(actor=context.actor, verb="verification.finished", subject=row, data=data)
    return row


def _earn(context: JobContext, backup: Backup, row: Verification) -> None:
    """The state that follows from what the row says now: another verification may have ended meanwhile."""
    backup.refresh_from_db(fields=["state", "failed_level"])
    failed_at = VerificationLevel(backup.failed_level) if backup.failed_level else None
    old = BackupState(backup.state)
    if old in LEAVING_BACKUP:
        return  # the row of the verification says what was found; the state is expiry's
    new = backup_state_after(old, VerificationLevel(row.level), passed=row.passed, failed_at=failed_at)
    if old == BackupState.MISSING:
        backup_move(actor=context.actor, backup=backup, state=BackupState.STORED)
    backup_move(actor=context.actor, backup=backup, state=new, failed_level=VerificationLevel(row.level))
