"""Asking for what takes a second person: deleting a backup, lifting a hold, keeping for a shorter time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Backup, ChangeRequest, Instance, LegalHold
from catalog.selectors.visible import may
from catalog.services.access import Actor
from catalog.services.cleaning import save_clean
from catalog.states import LEAVING_BACKUP, ChangeKind, ChangeState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import actor_name, audit_record
from dataprotect.storage.documents import canonical


def backup_delete_request(*, actor: Actor, backup: Backup, reason: str) -> ChangeRequest:
    """Ask that a backup be deleted now. Raises `access.denied`, `backup.leaving`, `change.asked`."""
    if backup.state in LEAVING_BACKUP:
        raise ForeseenError(
            "backup.leaving",
            f"The backup {backup.backup_id} is {backup.get_state_display().lower()} already.",
            "Nothing: it goes, or is gone.",
        )
    return change_ask(
        actor=actor,
        kind=ChangeKind.DELETE_BACKUP,
        title=f"Delete the backup {backup.backup_id}",
        reason=reason,
        instance=backup.instance,
        backup=backup,
        payload=deletion_payload(backup),
    )


def hold_lift_request(*, actor: Actor, hold: LegalHold, reason: str) -> ChangeRequest:
    """Ask that a hold be lifted. Raises `access.denied`, `hold.lifted`, `change.asked`."""
    if hold.lifted_at is not None:
        raise ForeseenError("hold.lifted", "The hold was lifted already.", "Nothing: there is nothing to do.")
    return change_ask(
        actor=actor,
        kind=ChangeKind.LIFT_HOLD,
        title=f"Lift the hold {hold.matter}"[:200],
        reason=reason,
        instance=hold.instance,
        hold=hold,
        payload=hold_payload(hold),
    )


def deletion_payload(backup: Backup) -> dict[str, Any]:
    """What is approved: this backup in this state, with these dependents."""
    dependents = backup.dependents.exclude(state__in=LEAVING_BACKUP)
    return {
        "backup_id": backup.backup_id,
        "instance": backup.instance.identifier,
        "state": backup.state,
        "bytes": backup.bytes_stored,
        "dependents": sorted(dependents.values_list("backup_id", flat=True)),
    }


def hold_payload(hold: LegalHold) -> dict[str, Any]:
    return {
        "hold": hold.pk,
        "matter": hold.matter,
        "reason": hold.reason,
        "backup_id": hold.backup.backup_id if hold.backup is not None else None,
        "instance": hold.instance.identifier,
        "until": clock.iso(hold.until) if hold.until is not None else None,
    }


@transaction.atomic
def change_ask(
    *,
    actor: Actor,
    kind: ChangeKind,
    title: str,
    reason: str,
    payload: Mapping[str, Any],
    instance: Instance | None = None,
    backup: Backup | None = None,
    hold: LegalHold | None = None,
) -> ChangeRequest:
    """The request, waiting for its approval until it lapses.

    Raises `access.denied`, `input.reason`, and `change.asked` when the same is waiting already.
    """
    _require(actor, instance)
    words = " ".join(reason.split())
    if not words:
        raise InvalidInput("reason", "Expected why this is wanted: whoever approves it reads that.")
    now = clock.now()
    change_lapse()
    _refuse_twice(kind, backup, hold)
    row = ChangeRequest(
        kind=kind,
        title=title[:200],
        reason=words,
        instance=instance,
        backup=backup,
        hold=hold,
        payload=dict(payload),
        payload_hash=payload_hash(payload),
        requested_by=actor if isinstance(actor, User) else None,
        requested_by_name=actor_name(actor),
        requested_at=now,
        expires_at=now + timedelta(hours=settings.CHANGE_REQUEST_HOURS),
    )
    save_clean(row)
    data = {"kind": str(kind), "title": row.title, "reason": words, "payload_hash": row.payload_hash}
    audit_record(actor=actor, verb="change.requested", subject=row, data=data)
    return row


@transaction.atomic
def change_lapse() -> int:
    """End what nobody approved in time; how many those were."""
    now = clock.now()
    lapsed = 0
    for row in ChangeRequest.objects.filter(state=ChangeState.AWAITING, expires_at__lte=now):
        ended = ChangeRequest.objects.filter(pk=row.pk, state=ChangeState.AWAITING).update(
            state=ChangeState.LAPSED,
            ended_at=now,
            ended_by="system",
            ended_reason="Nobody approved it in time.",
        )
        if ended:
            audit_record(actor="system", verb="change.lapsed", subject=row, data={"title": row.title})
        lapsed += ended
    return lapsed


def payload_hash(payload: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the canonical JSON: what approvals sign."""
    return hashlib.sha256(canonical(payload)).hexdigest()


def _require(actor: Actor, instance: Instance | None) -> None:
    if may(user=actor, permission="catalog.add_changerequest"):
        return
    if instance is not None and may(user=actor, permission="catalog.change_instance", instance=instance):
        return
    raise ForeseenError(
        "access.denied", "You may not ask for this change.", "Ask a DBA Lead for the right to do it."
    )


def _refuse_twice(kind: ChangeKind, backup: Backup | None, hold: LegalHold | None) -> None:
    waiting = ChangeRequest.objects.filter(kind=kind, backup=backup, hold=hold, state=ChangeState.AWAITING)
    if (backup or hold) and (other := waiting.first()) is not None:
        raise ForeseenError(
            "change.asked",
            f"This was asked for already, by {other.requested_by_name}, and awaits its approval.",
            "Have that request approved or rejected first.",
        )
