"""The second person: approving, rejecting, withdrawing. The last approval carries the request out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Backup, ChangeRequest, Instance, LegalHold
from catalog.selectors.changes import APPROVERS
from catalog.selectors.retention_facts import retention_facts
from catalog.services.access import Actor, came_by_token
from catalog.services.change_request import change_lapse, deletion_payload, hold_payload, payload_hash
from catalog.services.expiry_place import expiry_place
from catalog.services.hold_place import hold_end
from catalog.services.retention_change import retention_change_apply, retention_change_stands
from catalog.states import ChangeKind, ChangeState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.audit import actor_name, audit_record

_WHO = {
    "catalog.approve_deletion": "a Senior DBA or above",
    "catalog.approve_release": "a DBA Lead or an Engineering Manager",
}


def change_approve(*, actor: Actor, change: ChangeRequest, seen_hash: str) -> ChangeRequest:
    """Approve what `seen_hash` stands for: its `payload_hash`, as shown. The last approval carries it out.

    Raises `change.not_a_person`, `change.not_allowed`, `change.own`, `change.twice`, `change.ended`,
    `change.void` (what it was about has changed), and what carrying it out foresees: nothing is approved.
    """
    change_lapse()
    person = _person(actor)
    with transaction.atomic():
        row = _open(change)
        _may_approve(person, row)
        stands = seen_hash == row.payload_hash == payload_hash(row.payload) and _stands(row)
        if stands:
            _approve(person, row)
        else:
            _end(row, ChangeState.VOID, person, "What was asked for is not what would be done now.")
    if not stands:
        raise ForeseenError(
            "change.void",
            "What this request was about has changed since it was asked for; it is void.",
            "Look at the subject again, and ask anew.",
        )
    return row


@transaction.atomic
def change_reject(*, actor: Actor, change: ChangeRequest, reason: str) -> ChangeRequest:
    """Raises `change.not_a_person`, `change.not_allowed`, `change.own`, `change.ended`, `change.reason`."""
    person = _person(actor)
    row = _open(change)
    _may_approve(person, row)
    words = " ".join(reason.split())
    if not words:
        raise ForeseenError("change.reason", "Expected why it is rejected.", "Say it in a few words.")
    _end(row, ChangeState.REJECTED, person, words)
    return row


@transaction.atomic
def change_withdraw(*, actor: Actor, change: ChangeRequest) -> ChangeRequest:
    """By whoever asked for it. Raises `change.not_allowed`, `change.ended`."""
    row = _open(change)
    if actor_name(actor) != row.requested_by_name:
        raise ForeseenError(
            "change.not_allowed",
            "Only whoever asked for a change withdraws it.",
            "Reject it, if you may approve it.",
        )
    _end(row, ChangeState.WITHDRAWN, actor, "")
    return row


def _person(actor: Actor) -> User:
    """A named user who signed in. The terminal is anybody, and a token is nobody."""
    if isinstance(actor, User) and actor.is_active and not came_by_token(actor):
        return actor
    raise ForeseenError(
        "change.not_a_person",
        "A second person approves: somebody who signed in by name, not a token and not the terminal.",
        "Sign in to the dashboard and approve it there.",
    )


def _open(change: ChangeRequest) -> ChangeRequest:
    row = ChangeRequest.objects.select_for_update(of=("self",)).get(pk=change.pk)
    if not row.is_open(clock.now()):
        raise ForeseenError(
            "change.ended",
            f"This request is {row.get_state_display().lower()}."
            if row.state != ChangeState.AWAITING
            else "This request has lapsed.",
            "Ask anew, if it is still wanted.",
        )
    return row


def _may_approve(person: User, row: ChangeRequest) -> None:
    permission = APPROVERS[ChangeKind(row.kind)]
    if not person.has_perm(permission):
        raise ForeseenError(
            "change.not_allowed", f"This takes {_WHO[permission]}.", f"Ask {_WHO[permission]}."
        )
    own_account = row.requested_by_name.partition(":")[2] == person.get_username()
    if row.requested_by_id == person.pk or own_account:
        raise ForeseenError(
            "change.own", "Whoever asked for a change does not approve it.", "Ask somebody else."
        )
    if row.first_approver_id == person.pk:
        raise ForeseenError(
            "change.twice",
            "You have approved this already; asked for at the terminal, it takes two persons.",
            "Ask somebody else for the second approval.",
        )


def _stands(row: ChangeRequest) -> bool:
    """Would the same request, asked for now, say the same?"""
    if row.kind == ChangeKind.DELETE_BACKUP and row.backup is not None:
        return bool(deletion_payload(row.backup) == row.payload)
    if row.kind == ChangeKind.LIFT_HOLD and row.hold is not None:
        return bool(row.hold.lifted_at is None and hold_payload(row.hold) == row.payload)
    return retention_change_stands(row)


def _approve(person: User, row: ChangeRequest) -> None:
    """One conditional UPDATE puts the approval where there was none; the last one carries it out."""
    place = "second" if row.first_approver_id else "first"
    now = clock.now()
    changed = ChangeRequest.objects.filter(
        pk=row.pk, state=ChangeState.AWAITING, **{f"{place}_approver": None}
    ).update(**{f"{place}_approver": person, f"{place}_approved_at": now})
    if not changed:
        raise ForeseenError(
            "change.ended", "Somebody else was quicker.", "Look at the request again.", retry=True
        )
    setattr(row, f"{place}_approver", person)
    setattr(row, f"{place}_approved_at", now)
    data = {"title": row.title, "payload_hash": row.payload_hash, "still_needed": row.approvals_needed}
    audit_record(actor=person, verb="change.approved", subject=row, data=data)
    if not row.approvals_needed:
        row.outcome = _carry_out(person, row)
        _end(row, ChangeState.EXECUTED, person, "")


def _end(row: ChangeRequest, state: ChangeState, actor: Actor, reason: str) -> None:
    now = clock.now()
    changed = ChangeRequest.objects.filter(pk=row.pk, state=ChangeState.AWAITING).update(
        state=state, ended_at=now, ended_by=actor_name(actor), ended_reason=reason[:500], outcome=row.outcome
    )
    if not changed:
        raise ForeseenError("change.ended", "This request has ended meanwhile.", "Look at it again.")
    row.state, row.ended_at, row.ended_reason = state, now, reason[:500]
    data = {"title": row.title, "reason": reason, "outcome": row.outcome}
    audit_record(actor=actor, verb=f"change.{state}", subject=row, data=data)


def _carry_out(person: User, row: ChangeRequest) -> dict[str, Any]:
    both = f"{row.requested_by_name}, {person.get_username()}"
    if row.kind == ChangeKind.LIFT_HOLD:
        hold_end(actor=person, hold=LegalHold.objects.get(change_requests=row), by=both)
        return {"hold": row.hold_id}
    if row.kind == ChangeKind.DELETE_BACKUP:
        return _condemn(person, row)
    return retention_change_apply(actor=person, change=row)


def _condemn(person: User, row: ChangeRequest) -> dict[str, Any]:
    """The tombstone, unless the floor, a hold or a dependent keeps the backup whoever asks."""
    backup = Backup.objects.select_related("instance").get(change_requests=row)
    instance = Instance.objects.select_for_update().get(pk=backup.instance_id)
    (facts,) = retention_facts([instance])
    asked = tuple(
        replace(item, condemned=True) if item.backup_id == backup.backup_id else item
        for item in facts.backups
    )
    decision = replace(facts, backups=asked).decide(clock.now())
    verdict = next(item for item in decision.backups if item.name == backup.backup_id)
    if verdict.keep:
        raise ForeseenError(
            "backup.kept",
            f"{backup.backup_id} cannot be deleted: {' '.join(verdict.sentences)}"[:500],
            "Lift the hold, delete what depends on it, or take a better backup first.",
        )
    reasons = [f"{row.requested_by_name} asked for its deletion and {person.get_username()} approved."]
    expiry = expiry_place(actor=person, backup=backup, reasons=reasons, requested=row)
    return {"delete_after": clock.iso(expiry.delete_after)}
