"""One signature, in one role, over exactly one plan. The last one approves the request."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.services.access import Actor
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.alert_resolve import alert_resolve
from dataprotect.ops.services.audit import audit_record
from restores.models import Approval, RestoreRequest
from restores.selectors.approvals import fills, may_sign, roles_missing, roles_needed
from restores.services.approval_rules import locked, person
from restores.services.request_state import request_move
from restores.services.restore_alert import alert_key
from restores.states import Decision, RestoreState


@transaction.atomic
def approval_give(
    *,
    actor: Actor,
    request: RestoreRequest,
    plan_hash: str,
    role: str,
    reason: str = "",
    fresh_at: datetime | None = None,
) -> RestoreRequest:
    """Sign the plan that `plan_hash` names in `role`; the request as it is afterwards.

    Raises `approval.not_a_person`, `access.step_up`, `clock.behind`, `approval.not_open`,
    `approval.plan_changed`, `approval.expired`, `approval.own`, `approval.role`, `approval.twice`.
    """
    signer = person(actor, fresh_at)
    row = locked(request, plan_hash)
    _may(signer, row, role)
    now = clock.now()
    try:
        with transaction.atomic():
            Approval.objects.create(
                request=row, signed_hash=row.plan_hash, decision=Decision.APPROVE, role=role, approver=signer,
                requester=row.requested_by, reason=reason.strip()[:500], decided_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise _twice(row, role) from None
    data = {"restore": row.restore_id, "plan": row.plan_hash, "role": role}
    audit_record(actor=signer, verb="restore.signed", subject=row.subject, data=data)
    if not roles_missing(row):
        approve(actor=signer, row=row)
    return row


def approve(*, actor: Actor, row: RestoreRequest) -> None:
    """All is signed, or nothing had to be: the right to start begins, and ends again by itself."""
    now = clock.now()
    hours = row.policy.execution_hours if row.policy else 24
    request_move(
        actor=actor, request=row, to=RestoreState.APPROVED, approved_at=now,
        execute_until=now + timedelta(hours=hours), data={"plan": row.plan_hash},
    )  # fmt: skip
    alert_resolve(waiting_key(row), reason="It was approved.")


def waiting_key(row: RestoreRequest) -> str:
    """The key of the alert that a request waits."""
    return alert_key("approval_waiting", row)


def may_decide(signer: User, row: RestoreRequest, role: str) -> None:
    """Raises `approval.own`, `approval.role`."""
    if row.requested_by_id == signer.pk:
        raise ForeseenError(
            "approval.own", "You asked for this restore: another person has to sign it.", "Ask an approver."
        )
    target = row.affected
    if not (
        fills(user=signer, role=role, at=clock.now()) and may_sign(user=signer, instance=target, role=role)
    ):
        raise ForeseenError(
            "approval.role",
            f"You do not fill the role {role} for {target.name}, or your role does not count yet.",
            "A role counts at once when another person gave it, else after 24 hours.",
        )


def _may(signer: User, row: RestoreRequest, role: str) -> None:
    if role not in roles_needed(row):
        raise ForeseenError(
            "approval.role",
            f"This plan is not signed as {role}: it takes {' and '.join(roles_needed(row)) or 'nobody'}.",
            "Sign in a role that the plan asks for.",
        )
    may_decide(signer, row, role)
    if role not in roles_missing(row):
        raise _twice(row, role)


def _twice(row: RestoreRequest, role: str) -> ForeseenError:
    return ForeseenError(
        "approval.twice",
        f"{row.restore_id} was signed as {role} already, or by you in another role.",
        "One person fills one role: look who else has to sign.",
    )
