"""Submitting freezes the plan; what was frozen is what gets signed, and nothing else is ever run."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction

from catalog.services.access import Actor
from catalog.services.change_request import payload_hash
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Check, as_plain
from dataprotect.ops.operating_profile import Safeguard
from dataprotect.ops.stop import refuse_while_stopped
from restores.models import Approval, RestoreRequest
from restores.selectors.approvals import roles_missing
from restores.services.approval_give import approve
from restores.services.approval_notice import approval_ask
from restores.services.approval_rules import require_steady_clock
from restores.services.preflight import preflight
from restores.services.request_draft import asked_by, check_wish, may_change, wish_of
from restores.services.request_plan import plan_freeze
from restores.services.request_state import request_move
from restores.services.safeguards import refuse_failed, safeguards_check
from restores.states import Decision, RestoreState, Scope


def restore_submit(*, actor: Actor, request: RestoreRequest, typed_target: str = "") -> RestoreRequest:
    """Freeze the plan, look at everything, and ask for signatures; a test restore is approved at once.

    Raises `restore.not_open`, `restore.preflight`, `restore.safeguard`, `stop.active`, `clock.behind`, and
    what freezing raises. The preflight asks the server, so it is done before anything is locked.
    """
    refuse_while_stopped()
    require_steady_clock()
    may_change(actor, request)
    check_wish(wish_of(request))
    found = preflight(request=request)
    _refuse(found)
    with transaction.atomic():
        row = RestoreRequest.objects.select_for_update().get(pk=request.pk)
        if row.state != RestoreState.DRAFT:
            raise ForeseenError(
                "restore.not_draft",
                f"{row.restore_id} is {row.get_state_display().lower()} and was submitted already.",
                "Edit it first: that makes it a draft again.",
            )
        _freeze(actor, row, typed_target, found)
    return row


def _refuse(found: tuple[Check, ...]) -> None:
    failed = [check for check in found if check.passed is False]
    if failed:
        words = "; ".join(f"{check.name}: {check.found}" for check in failed)
        raise ForeseenError(
            "restore.preflight", f"It would fail later. {words}", "Put that right, then submit again."
        )


def _freeze(actor: Actor, row: RestoreRequest, typed_target: str, found: tuple[Check, ...]) -> None:
    asked_by(actor, row)
    plan, policy, backup = plan_freeze(request=row)
    plan["preflight"] = [as_plain(check) for check in found]
    now = clock.now()
    digest = payload_hash(plan)
    row.plan, row.plan_hash, row.planned_at = plan, digest, now
    row.policy, row.backup, row.typed_target = policy, backup, typed_target
    row.submitted_at = now
    row.save(
        update_fields=[
            "plan", "plan_hash", "planned_at", "policy", "backup", "typed_target", "submitted_at",
            "requested_by", "requested_by_name", "by_token",
        ]
    )  # fmt: skip
    rows = safeguards_check(request=row)
    refuse_failed(rows, besides=frozenset({Safeguard.APPROVAL}))
    if row.scope == Scope.TEST:
        _approve_for_oneself(actor, row)
    elif not roles_missing(row):
        approve(actor=actor, row=row)
    else:
        until = now + timedelta(hours=policy.approval_hours)
        request_move(
            actor=actor, request=row, to=RestoreState.AWAITING, approval_until=until,
            data={"plan": digest, "roles": plan["approval"]["roles"]},
        )  # fmt: skip
        approval_ask(row)


def _approve_for_oneself(actor: Actor, row: RestoreRequest) -> None:
    if isinstance(actor, User):
        Approval.objects.create(
            request=row, signed_hash=row.plan_hash, decision=Decision.APPROVE, role="", approver=actor,
            requester=actor, is_self=True, decided_at=clock.now(),
        )  # fmt: skip
    approve(actor=actor, row=row)
