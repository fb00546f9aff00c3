"""Who has to sign what: the policy by blast radius, the roles still missing, the approver's inbox.

Volumes are bytes; the policy's GB and TB are powers of ten. Above a row's limits the next row applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from catalog.models import Instance
from catalog.roles import DBA, DBA_LEAD, SENIOR_DBA
from catalog.selectors.roles import counting_roles, grants_held
from catalog.selectors.visible import Viewer, instances_visible, may
from dataprotect.core.errors import ForeseenError
from restores.models import Approval, ApprovalPolicy, RestoreRequest
from restores.states import Decision, PolicyState, RestoreState, Scope

STANDS_IN: dict[str, tuple[str, ...]] = {DBA: (SENIOR_DBA, DBA_LEAD), SENIOR_DBA: (DBA_LEAD,)}
"""Who may fill a role beside those who hold it: seniors of the same trade."""
_ROW_OF = {Scope.TABLE: Scope.DATABASE}


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """`databases` and `size_bytes` None: unlimited. No `roles`: whoever asks approves."""

    scope: str
    databases: int | None
    size_bytes: int | None
    roles: tuple[str, ...]

    def holds(self, databases: int, size_bytes: int) -> bool:
        return (self.databases is None or databases <= self.databases) and (
            self.size_bytes is None or size_bytes <= self.size_bytes
        )

    def plain(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "databases": self.databases,
            "bytes": self.size_bytes,
            "roles": list(self.roles),
        }


def rows_of(policy: ApprovalPolicy) -> tuple[PolicyRow, ...]:
    """From small to large."""
    return tuple(
        PolicyRow(row["scope"], row["databases"], row["bytes"], tuple(row["roles"])) for row in policy.rows
    )


def policy_active() -> ApprovalPolicy:
    """Raises ForeseenError `approval.no_policy`."""
    found = ApprovalPolicy.objects.filter(state=PolicyState.ACTIVE).first()
    if found is None:
        raise ForeseenError(
            "approval.no_policy",
            "No approval policy is active: nobody knows who would have to sign.",
            "Run manage.py migrate, which brings the default one.",
        )
    return found


def row_for(rows: Sequence[PolicyRow], scope: str, databases: int, size_bytes: int) -> PolicyRow:
    """The row of the scope, or the first one after it whose limits hold; the last one when none does. A
    table is rescued by the row of its database.
    """
    wanted = _ROW_OF.get(Scope(scope), Scope(scope))
    names = [row.scope for row in rows]
    later = rows[names.index(wanted) :] if wanted in names else rows[-1:]
    return next((row for row in later if row.holds(databases, size_bytes)), rows[-1])


def fills(*, user: User, role: str, at: datetime) -> bool:
    """Does a role of this person that counts at `at` fill `role`?"""
    return bool(counting_roles(user=user, at=at) & {role, *STANDS_IN.get(role, ())})


def may_sign(*, user: Viewer, instance: Instance, role: str) -> bool:
    """Has this person the right to sign for this instance? Whether the role counts `fills` tells."""
    if not may(user=user, permission="restores.approve_restore"):
        return False
    if role in (DBA, SENIOR_DBA, DBA_LEAD):
        return may(user=user, permission="catalog.restore_instance", instance=instance)
    return may(user=user, permission="catalog.view_instance", instance=instance)


def signatures(request: RestoreRequest) -> QuerySet[Approval]:
    """Those over the plan as it is now."""
    return request.approvals.filter(
        signed_hash=request.plan_hash, decision=Decision.APPROVE, voided_at=None
    ).select_related("approver")


def roles_needed(request: RestoreRequest) -> tuple[str, ...]:
    """What the frozen plan asks for."""
    return tuple(request.plan.get("approval", {}).get("roles", ()))


def roles_missing(request: RestoreRequest) -> tuple[str, ...]:
    signed = set(signatures(request).values_list("role", flat=True))
    return tuple(role for role in roles_needed(request) if role not in signed)


def role_to_sign(*, user: User, request: RestoreRequest, at: datetime) -> str | None:
    """The missing role this person could sign in, the plan's order; None when there is none."""
    if request.state != RestoreState.AWAITING or request.requested_by_id == user.pk:
        return None
    if signatures(request).filter(approver=user).exists():
        return None
    instance = request.affected
    return next(
        (
            role
            for role in roles_missing(request)
            if fills(user=user, role=role, at=at) and may_sign(user=user, instance=instance, role=role)
        ),
        None,
    )


def others_who_fill(*, role: str, instance: Instance, besides: int | None, at: datetime) -> list[User]:
    """Active people who could sign in `role` for this instance, but for the person `besides`."""
    names = {role, *STANDS_IN.get(role, ())}
    holders = grants_held().filter(role__name__in=names, user__is_active=True).exclude(user=besides)
    people = {grant.user_id: grant.user for grant in holders}
    return [
        person
        for person in people.values()
        if fills(user=person, role=role, at=at) and may_sign(user=person, instance=instance, role=role)
    ]


def inbox(*, user: User, at: datetime) -> list[RestoreRequest]:
    """What waits for this person's signature, the oldest first."""
    waiting = (
        RestoreRequest.objects.filter(state=RestoreState.AWAITING, approval_until__gt=at)
        .filter(target_instance__in=instances_visible(user=user).order_by().values("pk"))
        .select_related("instance", "target_instance", "requested_by")
        .order_by("submitted_at")
    )
    return [row for row in waiting if role_to_sign(user=user, request=row, at=at)]


def own_decisions(*, user: User, since: datetime) -> QuerySet[Approval]:
    """What this person signed or denied, newest first."""
    return (
        Approval.objects.filter(approver=user, decided_at__gte=since)
        .select_related("request__instance", "policy")
        .order_by("-decided_at", "-pk")
    )
