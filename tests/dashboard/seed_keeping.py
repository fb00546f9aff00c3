"""Holds, tombstones and requests for a second person."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from catalog.models import Backup, ChangeRequest, Expiry, Instance, LegalHold, RetentionAudit
from catalog.services.change_request import deletion_payload, hold_payload, payload_hash
from catalog.states import BackupState
from dataprotect.core import clock
from dataprotect.storage.documents import canonical
from tests.dashboard.seed import person


def hold(of: Instance, now: datetime, **more: object) -> LegalHold:
    values = {
        "instance": of,
        "matter": "2026-C-114",
        "reason": "The court asked for every order since spring.",
        "owner": "legal@example.org",
        "placed_at": now - timedelta(days=9),
        "placed_by": "vp-engineering",
    }
    made: LegalHold = LegalHold.objects.create(**(values | more))
    return made


def expiry(backup: Backup, now: datetime) -> Expiry:
    made: Expiry = Expiry.objects.create(
        backup=backup,
        reasons=["No rule keeps it: its day, week, month and year are represented by newer backups."],
        previous_state=backup.state,
        placed_at=now - timedelta(days=2),
        placed_by="system",
        delete_after=now + timedelta(days=5),
    )
    Backup.objects.filter(pk=backup.pk).update(state=BackupState.EXPIRING)
    return made


def change(kind: str, now: datetime, by: User, **about: object) -> ChangeRequest:
    """`about`: the instance, and the backup or the hold."""
    found = about.get("backup") or about["hold"]
    payload = deletion_payload(found) if isinstance(found, Backup) else hold_payload(found)  # type: ignore[arg-type]
    made: ChangeRequest = ChangeRequest.objects.create(
        kind=kind,
        title=f"Delete the backup {found}" if isinstance(found, Backup) else f"Lift the hold {found}",
        reason="The copy was taken before the clean-up and holds rows that had to go.",
        payload=payload,
        payload_hash=payload_hash(payload),
        requested_by=by,
        requested_by_name=by.get_username(),
        requested_at=now - timedelta(hours=3),
        expires_at=now + timedelta(hours=69),
        **about,
    )
    return made


def audited(now: datetime) -> RetentionAudit:
    """One that found something and left something out."""
    looked_at = {
        "instance": "orders", "backups": 40, "good": 39, "restore_tested": 4, "kept": 39,
        "going": ["orders_full_1"], "holds": 1, "next_end": None,
    }  # fmt: skip
    report = {
        "format": 1, "at": clock.iso(now), "period_from": clock.iso(now - timedelta(days=31)),
        "population": {
            "included": [looked_at], "excluded": [{"instance": "identity", "reason": "It has no backup."}],
        },
        "exceptions": [
            {"instance": "identity", "code": "no_evidence", "sentence": "There is no backup to keep."}
        ],
        "totals": {
            "instances": 2, "backups": 40, "kept": 39, "deleted": 3, "bytes_deleted": 7 << 30, "spared": 1,
            "holds": 1, "changes_executed": 2,
        },
    }  # fmt: skip
    made: RetentionAudit = RetentionAudit.objects.create(
        at=now, by="system:schedule", period_from=now - timedelta(days=31), report=report, exceptions=1,
        sha256=hashlib.sha256(canonical(report)).hexdigest(),
    )  # fmt: skip
    return made


def keeping(made: dict[str, Instance], now: datetime) -> None:
    asker = person("vp-engineering", "VP Engineering")
    orders = made["orders"]
    old = list(Backup.objects.filter(instance=orders).order_by("stopped_at")[:3])
    standing = hold(orders, now, backup=old[1])
    hold(made["billing"], now, matter="2025-A-3", lifted_at=now, lifted_by="dba-lead, vp-engineering")
    expiry(old[0], now)
    change("delete_backup", now, asker, instance=orders, backup=old[2])
    audited(now)
    change("lift_hold", now, asker, instance=orders, hold=standing)
