"""Policies as pages and commands show them: what they do next, whom they protect, what they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from catalog.models import Blackout, Instance, Policy, ScheduledRun
from catalog.selectors.plans import OF_INSTANCES, ScheduleState, only, plan_of, schedule_states
from catalog.selectors.visible import (
    Viewer,
    can_exist,
    instance_get,
    instances_visible,
    not_found,
    sees_every_instance,
)
from dataprotect.core import clock
from dataprotect.engine.schedule import PlannedRun, next_runs

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PolicyDetail:
    policy: Policy
    coming: list[PlannedRun]
    """The next five runs of an instance that has it."""
    blackouts: list[Blackout]
    instances: list[Instance]
    """Those the viewer may see, by name, at most 50."""
    instances_total: int


@dataclass(frozen=True, slots=True)
class InstanceSchedule:
    instance: Instance
    policy: Policy | None
    state: ScheduleState
    coming: list[PlannedRun]
    recent: list[ScheduledRun]
    """Newest first, at most 50."""


def policy_list(*, user: Viewer) -> QuerySet[Policy]:
    """By name, each with its `tier` and `protects`: the number of instances that the viewer may see."""
    if not isinstance(user, str) and not user.has_perm("catalog.view_policy"):
        return Policy.objects.none()
    mine = Q() if sees_every_instance(user=user) else Q(instances__in=instances_visible(user=user))
    return Policy.objects.select_related("tier").annotate(
        protects=Count("instances", filter=mine, distinct=True)
    )


def policy_get(*, user: Viewer, name: str) -> Policy:
    """Raises `policy.not_found`."""
    found = policy_list(user=user).filter(name=name).first() if can_exist(name) else None
    if found is None:
        raise not_found("policy", name)
    return found


def policy_detail(*, user: Viewer, name: str, now: datetime | None = None) -> PolicyDetail:
    """Raises `policy.not_found`."""
    policy = policy_get(user=user, name=name)
    mine = instances_visible(user=user).filter(policy=policy).select_related("tier").order_by("name")
    return PolicyDetail(
        policy=policy,
        coming=next_runs(plan_of(policy), now or clock.now()),
        blackouts=list(policy.blackouts.all()),
        instances=list(mine[:_SHOWN]),
        instances_total=mine.count(),
    )


def preview(policy: Policy, *, now: datetime | None = None, count: int = 5) -> list[PlannedRun]:
    """The next runs of a policy that is not saved yet: the editor shows them while one types."""
    return next_runs(plan_of(policy), now or clock.now(), count)


def instance_schedule(
    *, user: Viewer, name: str, count: int = 5, now: datetime | None = None
) -> InstanceSchedule:
    """What comes next for one instance, what is overdue, and what was. Raises `instance.not_found`."""
    instance = instance_get(user=user, name=name)
    at = now or clock.now()
    policy = instance.policy
    coming = next_runs(only(plan_of(policy), OF_INSTANCES), at, count) if policy is not None else []
    recent = instance.scheduled_runs.select_related("job")[:_SHOWN]
    state = schedule_states([instance], at)[instance.pk]
    return InstanceSchedule(instance, policy, state, coming, list(recent))


def run_list(*, user: Viewer) -> QuerySet[ScheduledRun]:
    """Newest first, with instance, policy and job."""
    rows = ScheduledRun.objects.select_related("instance", "policy", "job")
    if sees_every_instance(user=user):
        return rows
    return rows.filter(instance__in=instances_visible(user=user).order_by().values("pk"))
