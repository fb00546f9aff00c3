"""Asking for a verification."""

from __future__ import annotations

from catalog.models import Backup
from catalog.services.access import Actor, require
from catalog.states import GONE_BACKUP, BackupState, VerificationLevel
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops import queue
from dataprotect.ops.models import Job

TASK = "catalog.tasks.run_verification"


def verification_start(*, actor: Actor, backup: Backup, level: str, wait: bool = True) -> Job:
    """Queue a verification; one at a time per backup.

    Raises `access.denied`, `input.level`, `backup.missing`, `backup.deleted`.
    """
    require(actor=actor, permission="catalog.verify_instance", instance=backup.instance)
    if level not in VerificationLevel.values:
        raise InvalidInput("level", f"Expected the level to be one of {', '.join(VerificationLevel.values)}.")
    if backup.state == BackupState.MISSING:
        raise ForeseenError(
            "backup.missing",
            f"The backup {backup.backup_id} is no longer in its repository.",
            "Check the repository; if the backup is back, rebuild the catalog from it.",
        )
    if backup.state in GONE_BACKUP:
        raise ForeseenError(
            "backup.deleted",
            f"The backup {backup.backup_id} was deleted by expiry; only its record is kept.",
            "Choose another backup; the record says when it went and why.",
        )
    return queue.enqueue(
        TASK,
        arguments={"backup_id": backup.backup_id, "level": level},
        actor=actor,
        subject=backup.instance.subject,
        title=f"{VerificationLevel(level).label} of {backup.backup_id}",
        exclusive=f"verification:{backup.pk}",
        wait=wait,
    )
