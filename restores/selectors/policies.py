"""The approval policy as its page shows it: the table in force, and every version with its signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Prefetch, QuerySet

from restores.models import Approval, ApprovalPolicy
from restores.selectors.approvals import STANDS_IN, fills, policy_active
from restores.states import PolicyState, Scope

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))


def policy_list() -> QuerySet[ApprovalPolicy]:
    """Every version, newest first, each with who signed or denied it."""
    signed = Approval.objects.select_related("approver").order_by("decided_at")
    return ApprovalPolicy.objects.prefetch_related(Prefetch("approvals", queryset=signed)).order_by(
        "-version"
    )


def proposal() -> ApprovalPolicy | None:
    """The version that waits for signatures."""
    return policy_list().filter(state=PolicyState.PROPOSED).first()


def signed_until(policy: ApprovalPolicy) -> datetime:
    """When a proposal lapses: after the hours that the policy in force gives a request."""
    return policy.proposed_at + timedelta(hours=policy_active().approval_hours)


def role_for_policy(*, user: User, policy: ApprovalPolicy, missing: Sequence[str], at: datetime) -> str:
    """In which of the `missing` roles this person could sign the proposal; empty when in none."""
    if policy.proposed_by_id == user.pk or policy.approvals.filter(approver=user).exists():
        return ""
    return next((role for role in missing if fills(user=user, role=role, at=at)), "")


def rows_in_words(policy: ApprovalPolicy) -> list[dict[str, object]]:
    """`scope`, `databases`, `volume` and `roles` of each row, from small to large."""
    return [
        {
            "scope": Scope(row["scope"]).label,
            "databases": _databases(row),
            "volume": _volume(row),
            "roles": row["roles"],
        }
        for row in policy.rows
    ]


def limits_in_words(row: Mapping[str, Any]) -> str:
    """`databases: up to 3, volume: up to 1 TB`."""
    return f"databases: {_databases(row)}, volume: {_volume(row)}"


def _databases(row: Mapping[str, Any]) -> str:
    return "any number" if row["databases"] is None else f"up to {row['databases']}"


def _volume(row: Mapping[str, Any]) -> str:
    return "unlimited" if row["bytes"] is None else f"up to {volume_in_words(row['bytes'])}"


def stands_in(policy: ApprovalPolicy) -> list[tuple[str, tuple[str, ...]]]:
    """Which roles of this table others may fill, and who."""
    asked = {role for row in policy.rows for role in row["roles"]}
    return [(role, others) for role, others in STANDS_IN.items() if role in asked]


def volume_in_words(count: int) -> str:
    """In powers of ten, as the policy is written."""
    size, unit = next((pair for pair in _UNITS if count >= pair[0]), _UNITS[-1])
    return f"{count / size:g} {unit}"
