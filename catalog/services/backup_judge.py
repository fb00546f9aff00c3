"""A finished backup, judged where it happens: is its size in line, did it read damaged pages?"""

from __future__ import annotations

from catalog.models import Backup, Verification
from catalog.rules.facts import BackupFacts, SizeFacts
from catalog.rules.protection import backup_damaged
from catalog.rules.sizes import MOST, size_anomaly, size_key
from catalog.rules.words import page
from catalog.selectors.facts import findings_of
from catalog.states import GOOD_BACKUP, BackupState
from dataprotect.ops.alert_states import Severity
from dataprotect.ops.services import alert_raise, alert_resolve, finding_raise

_NAMED = 10


def backup_judge(backup: Backup) -> None:
    """Raise or end the alerts that rest on the newest backup of an instance; in the caller's transaction."""
    _judge_size(backup)
    _judge_pages(backup)


def verification_judge(backup: Backup, row: Verification) -> None:
    """After a verification: damage is told at once, and so is that a deeper proof took it back."""
    state = BackupState(backup.state)
    facts = BackupFacts(
        backup_id=backup.backup_id,
        instance=backup.instance.name,
        state=state.label.lower(),
        since=backup.state_changed_at,
        found=findings_of(row.checks),
    )
    finding = backup_damaged(facts)
    if state == BackupState.DAMAGED and not row.passed:
        finding_raise(finding)
    elif state in GOOD_BACKUP:
        alert_resolve(finding.key, reason="It was verified again and is whole.")


def _judge_size(backup: Backup) -> None:
    earlier = backup.instance.backups.filter(
        type=backup.type, state__in=GOOD_BACKUP, stopped_at__lt=backup.stopped_at
    )
    before = earlier.order_by("-stopped_at").values_list("bytes_read", flat=True)[:MOST]
    finding = size_anomaly(
        SizeFacts(
            backup_id=backup.backup_id,
            instance_key=backup.instance_id,
            instance=backup.instance.name,
            type=backup.type,
            bytes_read=backup.bytes_read,
            before=tuple(before),
        )
    )
    if finding is not None:
        finding_raise(finding)
    else:
        alert_resolve(size_key(backup.instance_id, backup.type), reason="A later backup is in line again.")


def _judge_pages(backup: Backup) -> None:
    """Only a full backup reads every page, so only that ends it."""
    key = f"bad_pages:instance:{backup.instance_id}"
    if backup.bad_pages:
        count = len(backup.bad_pages)
        alert_raise(
            rule="bad_pages",
            severity=Severity.CRITICAL,
            subject=f"instance:{backup.instance_id}",
            title=f"{backup.instance.name} has damaged pages.",
            detail=f"The backup {backup.backup_id} read {count} pages whose checksum was wrong twice: "
            f"{'; '.join(backup.bad_pages[:_NAMED])}. The server's own disk is damaged: keep older backups.",
            dedupe_key=key,
            link=page("backups", backup.backup_id),
        )
    elif backup.type == "full":
        alert_resolve(key, reason="A later full backup read every page well.")
