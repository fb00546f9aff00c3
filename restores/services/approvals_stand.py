"""Signatures end with the plan they were given for, and with the right of whoever gave them."""

from __future__ import annotations

from catalog.services.access import Actor
from catalog.services.change_request import payload_hash
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.audit import audit_record
from restores.models import BreakGlassUse, RestoreRequest
from restores.selectors.approvals import (
    fills,
    may_sign,
    others_who_fill,
    policy_active,
    roles_needed,
    row_for,
    rows_of,
    signatures,
)


def approvals_void(*, actor: Actor, request: RestoreRequest) -> int:
    """The plan becomes another one: what was signed counts no more. In the caller's transaction."""
    count = request.approvals.filter(voided_at=None).update(voided_at=clock.now())
    if count:
        data = {"restore": request.restore_id, "plan": request.plan_hash, "signatures": count}
        audit_record(actor=actor, verb="restore.signatures_voided", subject=request.subject, data=data)
    return count


def approvals_stand(*, request: RestoreRequest) -> None:
    """Everything that was asked for at submitting is asked again right before the start.

    Raises `approval.missing`, `approval.plan_changed`, `approval.expired`.
    """
    if payload_hash(request.plan) != request.plan_hash:
        raise ForeseenError(
            "approval.plan_changed",
            f"The plan of {request.restore_id} is not what its hash says.",
            "Do not start it. Submit it anew, and have the audit chain verified.",
        )
    if request.execute_until is None or clock.now() >= request.execute_until:
        raise ForeseenError(
            "approval.expired",
            f"The right to start {request.restore_id} has lapsed.",
            "Submit it anew.",
        )
    if not BreakGlassUse.objects.filter(request=request, plan_hash=request.plan_hash).exists():
        _signed(request)
        _nobody_could_sign_what_was_waived(request)
        _policy_asks_for_nobody_else(request)


def _signed(request: RestoreRequest) -> None:
    target = request.affected
    now = clock.now()
    given = {each.role: each.approver for each in signatures(request)}
    for role in roles_needed(request):
        signer = given.get(role)
        if signer is None:
            raise _missing(f"{request.restore_id} is not signed as {role}.")
        if signer.pk == request.requested_by_id:
            raise _missing(f"{request.restore_id} was signed as {role} by whoever asked for it.")
        if not (fills(user=signer, role=role, at=now) and may_sign(user=signer, instance=target, role=role)):
            raise _missing(
                f"{signer.get_username()}, who signed as {role}, does not fill that role any more."
            )
    if len({signer.pk for signer in given.values()}) < len(roles_needed(request)):
        raise _missing("One person signed in two roles.")


def _nobody_could_sign_what_was_waived(request: RestoreRequest) -> None:
    """ "If available" is asked again: somebody who could sign may have come since."""
    target = request.affected
    for role in request.plan.get("approval", {}).get("waived", ()):
        found = others_who_fill(role=role, instance=target, besides=request.requested_by_id, at=clock.now())
        if found:
            raise _missing(f"{found[0].get_username()} could sign as {role} by now.")


def _policy_asks_for_nobody_else(request: RestoreRequest) -> None:
    """A stricter policy reaches what was signed under an older one."""
    policy, approval = policy_active(), request.plan.get("approval", {})
    row = row_for(
        rows_of(policy), request.scope, len(request.plan.get("databases", ())), request.plan.get("bytes", 0)
    )
    for role in row.roles:
        if role not in {*roles_needed(request), *approval.get("waived", ())}:
            raise _missing(f"Version {policy.version} of the approval policy asks for {role} as well.")


def _missing(why: str) -> ForeseenError:
    return ForeseenError("approval.missing", why, "Submit it anew and have it signed.")
