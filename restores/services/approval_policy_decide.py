"""Signing or rejecting a proposed approval policy: it takes the signatures that a full system takes now."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.services.access import Actor
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.audit import audit_record
from restores.models import Approval, ApprovalPolicy
from restores.selectors.approvals import fills, policy_active, rows_of
from restores.selectors.policies import signed_until
from restores.services.approval_policy_propose import policy_hash
from restores.services.approval_rules import person
from restores.states import Decision, PolicyState


@transaction.atomic
def approval_policy_sign(
    *, actor: Actor, policy: ApprovalPolicy, rows_hash: str, role: str, fresh_at: datetime | None = None
) -> ApprovalPolicy:
    """Sign what `rows_hash` stands for in `role`; the last signature puts it in force.

    Raises `approval.not_a_person`, `access.step_up`, `approval.not_open`, `approval.plan_changed`,
    `approval.expired`, `approval.own`, `approval.role`, `approval.twice`, `approval.missing`.
    """
    signer = person(actor, fresh_at)
    row = _open(policy, rows_hash)
    _may(signer, row, role)
    _decide(row, signer, role, Decision.APPROVE, "")
    data = {"version": row.version, "hash": row.rows_hash, "role": role}
    audit_record(actor=signer, verb="approval_policy.signed", subject=row, data=data)
    if not policy_roles_missing(row):
        _signatures_stand(row)
        now = clock.now()
        ApprovalPolicy.objects.filter(state=PolicyState.ACTIVE).update(state=PolicyState.RETIRED)
        row.state, row.decided_at = PolicyState.ACTIVE, now
        row.save(update_fields=["state", "decided_at"])
        audit_record(actor=signer, verb="approval_policy.active", subject=row, data=data)
    return row


@transaction.atomic
def approval_policy_reject(
    *,
    actor: Actor,
    policy: ApprovalPolicy,
    rows_hash: str,
    role: str,
    reason: str,
    fresh_at: datetime | None = None,
) -> ApprovalPolicy:
    """One rejection ends a proposal. Raises as signing."""
    signer = person(actor, fresh_at)
    row = _open(policy, rows_hash)
    _may(signer, row, role)
    _decide(row, signer, role, Decision.DENY, reason)
    row.state, row.decided_at = PolicyState.REJECTED, clock.now()
    row.save(update_fields=["state", "decided_at"])
    data = {"version": row.version, "reason": reason[:500], "role": role}
    audit_record(actor=signer, verb="approval_policy.rejected", subject=row, data=data)
    return row


def proposals_lapse() -> int:
    """By the clock, once a minute: proposals that were not signed in time. How many lapsed."""
    late = [
        row for row in ApprovalPolicy.objects.filter(state=PolicyState.PROPOSED)
        if clock.now() >= signed_until(row)
    ]  # fmt: skip
    for row in late:
        with transaction.atomic():
            if ApprovalPolicy.objects.filter(pk=row.pk, state=PolicyState.PROPOSED).update(
                state=PolicyState.RETIRED, decided_at=clock.now()
            ):
                data = {"version": row.version, "hash": row.rows_hash}
                audit_record(actor="system", verb="approval_policy.lapsed", subject=row, data=data)
    return len(late)


def policy_roles_needed() -> tuple[str, ...]:
    """The roles of the active policy's last row."""
    return rows_of(policy_active())[-1].roles


def policy_roles_missing(policy: ApprovalPolicy) -> tuple[str, ...]:
    signed = set(policy.approvals.filter(decision=Decision.APPROVE).values_list("role", flat=True))
    return tuple(role for role in policy_roles_needed() if role not in signed)


def _open(policy: ApprovalPolicy, rows_hash: str) -> ApprovalPolicy:
    row = ApprovalPolicy.objects.select_for_update().get(pk=policy.pk)
    if row.state != PolicyState.PROPOSED:
        raise ForeseenError(
            "approval.not_open", f"Version {row.version} is {row.get_state_display().lower()}.", "Look again."
        )
    if clock.now() >= signed_until(row):
        raise ForeseenError(
            "approval.expired",
            f"Version {row.version} lapsed at {clock.iso(signed_until(row))}.",
            "Propose it anew.",
        )
    now = policy_hash(row.rows, row.approval_hours, row.execution_hours)
    if not rows_hash == row.rows_hash == now:
        raise ForeseenError(
            "approval.plan_changed", "The proposal is not the one that was shown.", "Read it as it is now."
        )
    return row


def _may(signer: User, row: ApprovalPolicy, role: str) -> None:
    if row.proposed_by_id == signer.pk:
        raise ForeseenError("approval.own", "You proposed it: others have to sign.", "Ask an approver.")
    if role not in policy_roles_needed() or not fills(user=signer, role=role, at=clock.now()):
        raise ForeseenError(
            "approval.role", f"It is signed as {' and '.join(policy_roles_needed())}.",
            "A role counts at once when another person gave it, else after 24 hours.",
        )  # fmt: skip


def _signatures_stand(row: ApprovalPolicy) -> None:
    """Whoever signed earlier still fills the role and is active, at the moment it comes into force."""
    for given in row.approvals.filter(decision=Decision.APPROVE).select_related("approver"):
        signer = given.approver
        if not fills(user=signer, role=given.role, at=clock.now()):
            raise ForeseenError(
                "approval.missing",
                f"{signer.get_username()}, who signed as {given.role}, does not fill that role any more.",
                "Propose it anew and have it signed.",
            )


def _decide(row: ApprovalPolicy, signer: User, role: str, decision: Decision, reason: str) -> None:
    try:
        with transaction.atomic():
            Approval.objects.create(
                policy=row, signed_hash=row.rows_hash, decision=decision, role=role, approver=signer,
                requester=row.proposed_by, reason=reason[:500], decided_at=clock.now(),
            )  # fmt: skip
    except IntegrityError:
        raise ForeseenError(
            "approval.twice", f"It was signed as {role} already, or by you.", "One person signs once."
        ) from None
