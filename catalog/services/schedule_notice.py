"""Seeing what has come due and writing it down, once, whoever else is looking.

The database decides: a run is its subject, kind and instant, and there can be only one row of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db.models import Max

from catalog.models import Instance, Policy, ScheduledRun
from catalog.selectors.plans import OF_INSTANCES, only, plan_of, since_of
from catalog.states import RunKind
from dataprotect.engine.cron import latest
from dataprotect.engine.schedule import Due, Kind, Plan, due

INSTALLATION = "installation"
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Active:
    """A policy that protects something."""

    policy: Policy
    plan: Plan


def policies_active() -> dict[int, Active]:
    """By key, in two queries."""
    rows = Policy.objects.filter(instances__isnull=False).distinct().prefetch_related("blackouts")
    return {row.pk: Active(row, plan_of(row)) for row in rows}


def runs_notice(active: dict[int, Active], now: datetime) -> int:
    """Write down everything that is due and is not written down yet; how many rows were tried.

    Five queries while nothing is due; with a batch of instances that something is due for, two more.
    """
    Instance.objects.filter(policy__isnull=False, policy_since=None).update(policy_since=now)
    instances = list(Instance.objects.filter(policy__in=active).order_by("pk"))
    open_ones = _with_news(instances, active, now)
    tried = 0
    for at in range(0, len(open_ones), _TOGETHER):
        some = open_ones[at : at + _TOGETHER]
        tried += _write(list(_of_instances(some, active, now)))
    return tried + _write(list(_audits(active, now)))


def _with_news(instances: Sequence[Instance], active: dict[int, Active], now: datetime) -> list[Instance]:
    """Those with an occurrence that no row stands for. Policies are few: theirs are computed once."""
    minute = now.replace(second=0, microsecond=0)
    newest = {
        (key, kind): found.at
        for key, one in active.items()
        for kind, text in one.plan.crons.items()
        if kind in OF_INSTANCES and (found := latest(text, one.plan.zone, minute)) is not None
    }
    decided = set(
        ScheduledRun.objects.filter(kind__in=OF_INSTANCES, due_at__in=set(newest.values()))
        .order_by()
        .values_list("instance_id", "kind", "due_at")
    )

    def has_news(instance: Instance) -> bool:
        since = since_of(instance, active[_policy(instance)].policy, now)
        return instance.last_good_at is None or any(
            at > since and (instance.pk, kind, at) not in decided
            for (key, kind), at in newest.items()
            if key == instance.policy_id
        )

    return [instance for instance in instances if has_news(instance)]


def _policy(instance: Instance) -> int:
    return cast(int, instance.policy_id)


def _of_instances(
    instances: Sequence[Instance], active: dict[int, Active], now: datetime
) -> Iterator[ScheduledRun]:
    last = _last(instances)
    for instance in instances:
        one = active[_policy(instance)]
        found = due(
            only(one.plan, OF_INSTANCES),
            since=since_of(instance, one.policy, now),
            last=last.get(instance.pk, {}),
            now=now,
            unprotected=instance.last_good_at is None,
        )
        for run in found:
            yield _row(run, one.policy, now, instance.subject, instance)


def _last(instances: Sequence[Instance]) -> dict[int, dict[Kind, datetime]]:
    rows = (
        ScheduledRun.objects.filter(instance__in=[one.pk for one in instances])
        .order_by()
        .values_list("instance_id", "kind")
        .annotate(newest=Max("due_at"))
    )
    found: dict[int, dict[Kind, datetime]] = {}
    for key, kind, newest in rows:
        found.setdefault(cast(int, key), {})[cast(Kind, kind)] = newest
    return found


def _audits(active: dict[int, Active], now: datetime) -> Iterator[ScheduledRun]:
    """One audit looks at everything: two policies that ask for it at the same instant get one."""
    if not any(one.plan.crons["audit"] for one in active.values()):
        return
    before = ScheduledRun.objects.filter(subject=INSTALLATION, kind=RunKind.AUDIT).aggregate(Max("due_at"))
    newest = before["due_at__max"]
    for one in active.values():
        since = one.policy.schedule_changed_at or one.policy.created_at
        last: dict[Kind, datetime] = {"audit": newest} if newest is not None else {}
        for run in due(only(one.plan, ("audit",)), since=since, last=last, now=now):
            yield _row(run, one.policy, now, INSTALLATION, None)


def _row(run: Due, policy: Policy, now: datetime, subject: str, instance: Instance | None) -> ScheduledRun:
    return ScheduledRun(
        subject=subject, instance=instance, policy=policy, kind=run.kind, due_at=run.due_at,
        missed=run.missed, note=run.note[:500], noticed_at=now,
    )  # fmt: skip


def _write(rows: list[ScheduledRun]) -> int:
    """A row that another scheduler has written already stays as it is."""
    ScheduledRun.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_TOGETHER)
    return len(rows)
