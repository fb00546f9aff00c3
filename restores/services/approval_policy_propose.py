"""Another table of approvals: a new version, which counts once it is signed like a full system's restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from catalog.roles import BREAK_GLASS, ROLES
from catalog.services.access import Actor
from catalog.services.change_request import payload_hash
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import audit_record
from restores.models import ApprovalPolicy
from restores.services.approval_rules import person
from restores.states import PolicyState, Scope

SCOPES = (Scope.TEST, Scope.DATABASE, Scope.DATABASES, Scope.SYSTEM)
"""One row each, from small to large; a table is rescued by the row of its database."""
_MOST_HOURS = 24 * 30


@transaction.atomic
def approval_policy_propose(
    *,
    actor: Actor,
    rows: Sequence[Mapping[str, Any]],
    approval_hours: int,
    execution_hours: int,
    reason: str,
    fresh_at: datetime | None = None,
) -> ApprovalPolicy:
    """The version after the newest, proposed; an older proposal that nobody decided is retired.

    Raises `access.denied`, `access.step_up`, `approval.not_a_person`, InvalidInput.
    """
    proposer = person(actor, fresh_at)
    if not proposer.has_perm("restores.propose_approvalpolicy"):
        raise ForeseenError(
            "access.denied", "Proposing another approval policy takes a DBA Lead.", "Ask a DBA Lead."
        )
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise InvalidInput("reason", "Expected why the policy should be another one.")
    for name, hours in (("approval_hours", approval_hours), ("execution_hours", execution_hours)):
        if not 1 <= hours <= _MOST_HOURS:
            raise InvalidInput(name, f"Expected 1 to {_MOST_HOURS} hours.")
    checked = [_row(scope, given) for scope, given in zip(SCOPES, _four(rows), strict=True)]
    ApprovalPolicy.objects.filter(state=PolicyState.PROPOSED).update(
        state=PolicyState.RETIRED, decided_at=clock.now()
    )
    newest = ApprovalPolicy.objects.aggregate(newest=Max("version"))["newest"] or 0
    made = ApprovalPolicy.objects.create(
        version=newest + 1, rows=checked, approval_hours=approval_hours, execution_hours=execution_hours,
        rows_hash=policy_hash(checked, approval_hours, execution_hours), reason=reason, proposed_by=proposer,
        proposed_by_name=proposer.get_username(), proposed_at=clock.now(),
    )  # fmt: skip
    data = {"version": made.version, "rows": checked, "reason": reason, "hash": made.rows_hash}
    audit_record(actor=proposer, verb="approval_policy.proposed", subject=made, data=data)
    return made


def policy_hash(rows: Sequence[Mapping[str, Any]], approval_hours: int, execution_hours: int) -> str:
    """What is signed: the rows and both times."""
    return payload_hash(
        {"rows": list(rows), "approval_hours": approval_hours, "execution_hours": execution_hours}
    )


def _four(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if [row.get("scope") for row in rows] != list(SCOPES):
        raise InvalidInput("rows", f"Expected one row for each of {', '.join(SCOPES)}, in this order.")
    return rows


def _row(scope: str, given: Mapping[str, Any]) -> dict[str, Any]:
    roles = list(given.get("roles", ()))
    known = [role for role in ROLES if role != BREAK_GLASS]
    if any(role not in known for role in roles) or len(set(roles)) != len(roles):
        raise InvalidInput("rows", f"Expected roles of {scope}, each once, out of {', '.join(known)}.")
    if (scope == Scope.TEST) == bool(roles):
        raise InvalidInput("rows", "Expected roles for everything but a test restore.")
    limits = {name: given.get(name) for name in ("databases", "bytes")}
    if any(limit is not None and (not isinstance(limit, int) or limit < 1) for limit in limits.values()):
        raise InvalidInput("rows", f"Expected limits of {scope} as whole numbers from 1, or none.")
    if scope == Scope.SYSTEM and any(limits.values()):
        raise InvalidInput("rows", "Expected no limit for a full system: nothing comes after it.")
    return {"scope": str(scope), **limits, "roles": roles}
