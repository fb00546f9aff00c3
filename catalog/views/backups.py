"""The list of backups, and one backup with what is proved about it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from catalog.filters import BackupFilter
from catalog.forms.retention import ReasonForm
from catalog.models import Backup, Verification
from catalog.selectors import backup_detail, backup_list, may
from catalog.selectors.holds import expiry_of, holds_of_backup
from catalog.states import LEAVING_BACKUP, BackupState, ExpiryState
from catalog.tables import BackupTable
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, page


@page
def backups(request: Request) -> HttpResponse:
    context = listing(request, backup_list(user=request.user), BackupFilter, BackupTable, "Backups")
    context |= {"title": "Backups", "nothing_matches": "No backup matches this filter."}
    return render(request, "catalog/backups.html", context)


@page
def backup(request: Request, backup_id: str) -> HttpResponse:
    detail = backup_detail(user=request.user, backup_id=backup_id)
    found = detail.backup
    return render(
        request,
        "catalog/backup.html",
        {
            "detail": detail,
            "backup": found,
            "proof": proof(found, detail.verifications),
            "running": [job for job in detail.jobs if not job.is_terminal],
            "read_rate": found.bytes_read / found.seconds if found.seconds else None,
            "percent_stored": 100 * found.bytes_stored / found.bytes_read if found.bytes_read else None,
            "may_verify": may(
                user=request.user, permission="catalog.verify_instance", instance=found.instance
            ),
            **_keeping(request, found),
        },
    )


def _keeping(request: Request, backup: Backup) -> dict[str, Any]:
    """What keeps it, how it goes, and what this person may do about either."""
    user, instance = request.user, backup.instance
    expiry, stays = expiry_of(backup=backup), backup.state not in LEAVING_BACKUP
    waits = expiry is not None and expiry.state == ExpiryState.WAITING
    may_change = may(user=user, permission="catalog.change_instance", instance=instance)
    return {
        "expiry": expiry,
        "holds": holds_of_backup(backup=backup),
        "reason_form": ReasonForm(),
        "may_spare": waits and may(user=user, permission="catalog.backup_instance", instance=instance),
        "may_hold": stays and may(user=user, permission="catalog.add_legalhold"),
        "may_delete": stays and (may_change or may(user=user, permission="catalog.add_changerequest")),
    }


PROOFS = {
    BackupState.STORED: (
        "warn", "stored", "Stored, not proved.",
        "The seal is committed, but nothing has been read back yet. Check its SHA-256 sums.",
    ),
    BackupState.CHECKED: (
        "ok", "checked", "Checked: every stored object was read back and its SHA-256 is equal.",
        "Nobody has restored it yet. A restore test brings it up as an isolated clone and compares it.",
    ),
    BackupState.RESTORE_TESTED: (
        "ok", "tested", "Restore-tested: it was brought up as an isolated clone and matched its source.",
        "",
    ),
    BackupState.DAMAGED: (
        "bad", "bad", "Damaged. Do not rely on this backup.",
        "The failed checks below name what is wrong. Take a new backup now.",
    ),
    BackupState.MISSING: (
        "bad", "bad", "Missing: its seal is gone from the repository.",
        "Take a new backup now, and find out who removed it.",
    ),
    BackupState.EXPIRING: (
        "warn", "wait", "Expiring: no rule keeps it, and it is deleted after the grace time.",
        "Until then it can be spared.",
    ),
    BackupState.DELETING: ("idle", "cancel", "Being deleted. Nothing of it can be restored.", ""),
    BackupState.DELETED: (
        "idle", "cancel", "Deleted. Nothing of it can be restored; this record is kept as evidence.", "",
    ),
}  # fmt: skip


def proof(backup: Backup, verifications: list[Verification]) -> dict[str, Any]:
    """What is proved about a backup, in one sentence, and what to do next."""
    tone, icon, sentence, detail = PROOFS[BackupState(backup.state)]
    newest = verifications[0] if verifications else None
    return {"tone": tone, "icon": icon, "sentence": sentence, "detail": detail, "newest": newest}
