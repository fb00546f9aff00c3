"""/api/v1/policies, and what they make of an instance."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, time
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from catalog.api.auth import asker
from catalog.api.shapes import Page, PageQuery, Strict
from catalog.models import Policy
from catalog.selectors import instance_get
from catalog.selectors.advice import advice
from catalog.selectors.policies import InstanceSchedule, instance_schedule, policy_get, policy_list
from catalog.services.policy_assign import policy_assign
from catalog.services.policy_write import policy_add, policy_copy, policy_remove, policy_update

router = Router(tags=["policies"])
of_instances = Router(tags=["policies"])


class PolicyFields(Strict):
    description: str | None = None
    tier: str | None = None
    timezone: str | None = None
    full_cron: str | None = None
    differential_cron: str | None = None
    incremental_cron: str | None = None
    restore_test_cron: str | None = None
    pitr_test_cron: str | None = None
    audit_cron: str | None = None
    stream_logs: bool | None = None
    backup_window_start: time | None = None
    backup_window_end: time | None = None
    late_after_minutes: int | None = None
    max_concurrent: int | None = None
    bandwidth_limit: int | None = None
    keep_daily_days: int | None = None
    keep_weekly_days: int | None = None
    keep_monthly_days: int | None = None
    keep_yearly_days: int | None = None
    minimum_restore_tested: int | None = None
    log_window_days: int | None = None


class PolicyIn(PolicyFields):
    name: str


class PolicyChange(PolicyFields):
    """Only what is sent is changed; null clears the backup window and the bandwidth limit."""

    name: str | None = None
    reason: str = ""


class PolicyCopyIn(Strict):
    name: str


class PolicyOut(Schema):
    name: str
    description: str
    tier: str | None = None
    timezone: str
    full_cron: str
    differential_cron: str
    incremental_cron: str
    restore_test_cron: str
    pitr_test_cron: str
    audit_cron: str
    stream_logs: bool
    backup_window_start: time | None
    backup_window_end: time | None
    late_after_minutes: int
    max_concurrent: int
    bandwidth_limit: int | None
    keep_daily_days: int
    keep_weekly_days: int
    keep_monthly_days: int
    keep_yearly_days: int
    minimum_restore_tested: int
    log_window_days: int

    @staticmethod
    def resolve_tier(row: Any) -> str | None:
        return row.tier.name if row.tier is not None else None


class AssignIn(Strict):
    policy: str | None
    reason: str = ""


class RunOut(Schema):
    kind: str
    due_at: datetime
    starts_at: datetime | None
    note: str


class OverdueOut(Schema):
    kind: str
    due_at: datetime


class ScheduleOut(Schema):
    instance: str = Field(alias="instance.name")
    policy: str | None = None
    coming: list[RunOut]
    overdue: list[OverdueOut] = Field(alias="state.overdue")

    @staticmethod
    def resolve_policy(row: Any) -> str | None:
        return row.policy.name if row.policy is not None else None


_CLEARED = {"backup_window_start", "backup_window_end", "bandwidth_limit", "tier"}


@router.get("", response=Page[PolicyOut])
def listed(request: HttpRequest, page: Query[PageQuery]) -> dict[str, Any]:
    return page.of(policy_list(user=asker(request)))


@router.post("", response={201: PolicyOut})
def added(request: HttpRequest, data: PolicyIn) -> Status[Policy]:
    return Status(201, policy_add(actor=asker(request), **_given(data)))


@router.get("/{name}", response=PolicyOut)
def one(request: HttpRequest, name: str) -> Policy:
    return policy_get(user=asker(request), name=name)


@router.patch("/{name}", response=PolicyOut)
def changed(request: HttpRequest, name: str, data: PolicyChange) -> Policy:
    policy = policy_get(user=asker(request), name=name)
    return policy_update(actor=asker(request), policy=policy, **_given(data))


@router.post("/{name}/copies", response={201: PolicyOut})
def copied(request: HttpRequest, name: str, data: PolicyCopyIn) -> Status[Policy]:
    policy = policy_get(user=asker(request), name=name)
    return Status(201, policy_copy(actor=asker(request), policy=policy, name=data.name))


@router.delete("/{name}", response={204: None})
def removed(request: HttpRequest, name: str) -> Status[None]:
    policy_remove(actor=asker(request), policy=policy_get(user=asker(request), name=name))
    return Status(204, None)


@of_instances.get("/{name}/schedule", response=ScheduleOut)
def schedule(request: HttpRequest, name: str) -> InstanceSchedule:
    """The next five runs, and what is overdue."""
    return instance_schedule(user=asker(request), name=name)


@of_instances.get("/{name}/advice", response=dict[str, Any])
def advised(request: HttpRequest, name: str) -> dict[str, Any]:
    """Which backups, how often, why; predicted restore time and costs. What was not measured is a guess."""
    return asdict(advice(user=asker(request), name=name))


@of_instances.put("/{name}/policy", response=ScheduleOut)
def assigned(request: HttpRequest, name: str, data: AssignIn) -> InstanceSchedule:
    user = asker(request)
    policy = policy_get(user=user, name=data.policy) if data.policy is not None else None
    policy_assign(actor=user, instance=instance_get(user=user, name=name), policy=policy, reason=data.reason)
    return instance_schedule(user=user, name=name)


def _given(data: PolicyFields) -> dict[str, Any]:
    """What was sent; null only where it means something."""
    sent = data.dict(exclude_unset=True)
    return {name: value for name, value in sent.items() if value is not None or name in _CLEARED}
