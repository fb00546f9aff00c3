"""Who has to sign what: the policy by blast radius, the roles still missing, the approver's inbox.

Volumes are bytes; the policy's GB and TB are powers of ten. Above a row's limits the next row applies.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from catalog.models import Instance
from catalog.roles import DBA, DBA_LEAD, SENIOR_DBA
from catalog.selectors.roles import counting_roles, grants_held
from catalog.selectors.visible import Viewer, instances_allowing, instances_visible, may
from dataprotect.core.errors import ForeseenError
from restores.models import Approval, ApprovalPolicy, BreakGlassUse, RestoreRequest
from restores.states import Decision, PolicyState, RestoreState, Scope

STANDS_IN: dict[str, tuple[str, ...]] = {DBA: (SENIOR_DBA, DBA_LEAD), SENIOR_DBA: (DBA_LEAD,)}
"""Who may fill a role beside those who hold it: seniors of the same trade."""
_SIGNS, _RESTORES, _SEES = (
    "restores.approve_restore", "catalog.restore_instance", "catalog.view_instance",
)  # fmt: skip
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
    return bool(counting_roles(user=user, at=at) & _fillers(role))


def _fillers(role: str) -> frozenset[str]:
    return frozenset({role, *STANDS_IN.get(role, ())})


def may_sign(*, user: Viewer, instance: Instance, role: str) -> bool:
    """Has this person the right to sign for this instance? Whether the role counts `fills` tells."""
    return may(user=user, permission=_SIGNS) and may(user=user, permission=_right(role), instance=instance)


def _right(role: str) -> str:
    """Which a person needs for the instance in order to sign in `role`."""
    return _RESTORES if role in (DBA, SENIOR_DBA, DBA_LEAD) else _SEES


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

    def can(role: str) -> bool:
        return fills(user=user, role=role, at=at) and may_sign(
            user=user, instance=request.affected, role=role
        )

    return _open_role(user, request, signatures(request), can)


def _open_role(
    user: User, request: RestoreRequest, signed: Iterable[Approval], can: Callable[[str], bool]
) -> str | None:
    given = {each.role: each.approver_id for each in signed}
    if user.pk in given.values():
        return None
    return next((role for role in roles_needed(request) if role not in given and can(role)), None)


def others_who_fill(*, role: str, instance: Instance, besides: int | None, at: datetime) -> list[User]:
    """Active people who could sign in `role` for this instance, but for the person `besides`."""
    holders = grants_held().filter(role__name__in=_fillers(role), user__is_active=True).exclude(user=besides)
    people = {grant.user_id: grant.user for grant in holders}
    return [
        person
        for person in people.values()
        if fills(user=person, role=role, at=at) and may_sign(user=person, instance=instance, role=role)
    ]


def inbox(*, user: User, at: datetime) -> list[RestoreRequest]:
    """What waits for this person's signature, the oldest first. As many queries for many as for one."""
    if not may(user=user, permission=_SIGNS):
        return []
    waiting = (
        RestoreRequest.objects.filter(state=RestoreState.AWAITING, approval_until__gt=at)
        .filter(target_instance__in=instances_visible(user=user).order_by().values("pk"))
        .exclude(requested_by=user)
        .select_related("instance", "target_instance", "requested_by")
        .prefetch_related("approvals")
        .order_by("submitted_at")
    )
    roles = counting_roles(user=user, at=at)
    allowed = {
        right: frozenset(instances_allowing(user=user, permission=right).values_list("pk", flat=True))
        for right in (_RESTORES, _SEES)
    }

    def can(instance: int, role: str) -> bool:
        return bool(roles & _fillers(role)) and instance in allowed[_right(role)]

    def role_of(row: RestoreRequest) -> str | None:
        signed = [each for each in row.approvals.all() if each.signs(row.plan_hash)]
        return _open_role(user, row, signed, functools.partial(can, row.affected.pk))

    return [row for row in waiting if role_of(row)]


def unsigned(request: RestoreRequest) -> str:
    """For every account of a restore that was started without its signatures: who broke the glass, and why;
    empty when it was signed.
    """
    use: BreakGlassUse | None = getattr(request, "break_glass", None)
    if use is None or use.plan_hash != request.plan_hash:
        return ""
    return f"Without its signatures: {use.user.get_username()} broke the glass ({use.reason})"


def own_decisions(*, user: User, since: datetime) -> QuerySet[Approval]:
    """What this person signed or denied, newest first."""
    return (
        Approval.objects.filter(approver=user, decided_at__gte=since)
        .select_related("request__instance", "request__target_instance", "policy")
        .order_by("-decided_at", "-pk")
    )
