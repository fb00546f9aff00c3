"""The one place where a backup's state changes."""

from __future__ import annotations

from catalog.models import Backup
from catalog.services.access import Actor
from catalog.states import BackupState, VerificationLevel, may_become
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.audit import audit_record


def backup_move(
    *, actor: Actor, backup: Backup, state: BackupState, failed_level: VerificationLevel | None = None
) -> None:
    """One conditional UPDATE plus an event, in the caller's transaction. Staying where it is changes nothing.

    Raises `backup.state_changed` when somebody was quicker, ValueError for a step that is not in the table.
    """
    old = BackupState(backup.state)
    if old == state:
        return
    if not may_become(old, state):
        raise ValueError(f"a backup never goes from {old} to {state}")
    now = clock.now()
    failed = str(failed_level or "") if state == BackupState.DAMAGED else ""
    changed = Backup.objects.filter(pk=backup.pk, state=old).update(
        state=state, state_changed_at=now, failed_level=failed
    )
    if not changed:
        raise ForeseenError(
            "backup.state_changed",
            f"The state of {backup.backup_id} changed while this was running.",
            "Look at the backup again and repeat what you wanted.",
            retry=True,
        )
    backup.state, backup.state_changed_at, backup.failed_level = state, now, failed
    data = {"from": str(old), "to": str(state)}
    audit_record(actor=actor, verb=f"backup.{state}", subject=backup.subject, data=data)
