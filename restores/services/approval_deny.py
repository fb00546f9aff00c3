"""One denial ends a request."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from catalog.services.access import Actor
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.alert_resolve import alert_resolve
from restores.models import Approval, RestoreRequest
from restores.selectors.approvals import roles_needed
from restores.services.approval_give import may_decide, waiting_key
from restores.services.approval_rules import locked, person
from restores.services.request_state import request_move
from restores.states import Decision, RestoreState


@transaction.atomic
def approval_deny(
    *,
    actor: Actor,
    request: RestoreRequest,
    plan_hash: str,
    reason: str,
    fresh_at: datetime | None = None,
) -> RestoreRequest:
    """Anybody who fills a role of the plan may deny it, with a reason. Raises as `approval_give`."""
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise InvalidInput("reason", "Expected why it is denied, in a sentence for whoever asked.")
    signer = person(actor, fresh_at)
    row = locked(request, plan_hash)
    role = _role(row, signer)
    now = clock.now()
    try:
        with transaction.atomic():
            Approval.objects.create(
                request=row, signed_hash=row.plan_hash, decision=Decision.DENY, role=role, approver=signer,
                requester=row.requested_by, reason=reason, decided_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise ForeseenError(
            "approval.twice", "You decided about this plan already.", "Whoever asked may cancel it."
        ) from None
    request_move(
        actor=signer, request=row, to=RestoreState.REJECTED, ended_at=now,
        ended_by=signer.get_username(), ended_reason=reason, data={"role": role, "reason": reason},
    )  # fmt: skip
    alert_resolve(waiting_key(row), reason="It was denied.")
    return row


def _role(row: RestoreRequest, signer: object) -> str:
    """The first role of the plan the person fills. Raises what `may_decide` raises for the last one."""
    refused: ForeseenError | None = None
    for role in roles_needed(row):
        try:
            may_decide(signer, row, role)  # type: ignore[arg-type]
        except ForeseenError as error:
            refused = error
            continue
        return role
    raise refused or ForeseenError("approval.role", "This plan is signed by nobody.", "Cancel it instead.")
