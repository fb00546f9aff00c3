"""From a policy's row to what the engine decides on, and from that to what comes next for an instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Max

from catalog.models import Blackout as BlackoutRow
from catalog.models import Instance, Policy, ScheduledRun
from catalog.states import RunKind, RunState
from dataprotect.engine.schedule import BACKUPS, Blackout, Kind, Overdue, Plan, PlannedRun, next_runs, overdue

CRON_FIELDS: dict[Kind, str] = {
    "full": "full_cron",
    "differential": "differential_cron",
    "incremental": "incremental_cron",
    "restore_test": "restore_test_cron",
    "pitr_test": "pitr_test_cron",
    "audit": "audit_cron",
}
"""Which column holds the expression of each kind."""

OF_INSTANCES = tuple(kind for kind in CRON_FIELDS if kind != "audit")
"""The audit looks at all instances at once."""


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What the policy of one instance will do, and has not done. Empty without a policy."""

    next_run: PlannedRun | None = None
    next_backup: PlannedRun | None = None
    overdue: tuple[Overdue, ...] = ()

    @property
    def is_overdue(self) -> bool:
        return bool(self.overdue)


def plan_of(policy: Policy) -> Plan:
    """Reads the policy's blackouts: prefetch them where there are many. One not saved yet has none."""
    start, end = policy.backup_window_start, policy.backup_window_end
    return Plan(
        zone=policy.timezone,
        crons={kind: getattr(policy, field) for kind, field in CRON_FIELDS.items()},
        window=(start, end) if start is not None and end is not None else None,
        blackouts=tuple(_blackout(row) for row in policy.blackouts.all()) if policy.pk else (),
        late_after=timedelta(minutes=policy.late_after_minutes),
    )


def _blackout(row: BlackoutRow) -> Blackout:
    days = frozenset(int(day) for day in row.weekdays.split(",") if day)
    return Blackout(row.reason, days, row.start_time, row.end_time, row.starts_at, row.ends_at)


def since_of(instance: Instance, policy: Policy, now: datetime) -> datetime:
    """Nothing is due before this: the policy was given to the instance, or its times were changed, then."""
    return max(instance.policy_since or now, policy.schedule_changed_at or policy.created_at)


def schedule_states(instances: Sequence[Instance], now: datetime) -> dict[int, ScheduleState]:
    """By the instance's key, in four queries however many there are.

    Counts a person's own backups and tests too where `last_good_backup` and `last_restore_test` are selected.
    """
    policies = {
        row.pk: row
        for row in Policy.objects.filter(
            pk__in={one.policy_id for one in instances if one.policy_id}
        ).prefetch_related("blackouts")
    }
    coming = {key: _coming(plan_of(row), now) for key, row in policies.items()}
    succeeded = _succeeded(instances)
    found = {}
    for instance in instances:
        if instance.policy_id is None:
            found[instance.pk] = ScheduleState()
            continue
        policy = policies[instance.policy_id]
        late = overdue(
            plan_of(policy),
            since=since_of(instance, policy, now),
            succeeded=_with_own(instance, succeeded.get(instance.pk, {})),
            now=now,
        )
        first, backup = coming[policy.pk]
        found[instance.pk] = ScheduleState(first, backup, tuple(one for one in late if one.kind != "audit"))
    return found


def _coming(plan: Plan, now: datetime) -> tuple[PlannedRun | None, PlannedRun | None]:
    """The next run of an instance, and its next backup: the same for all instances of the policy."""
    first = next_runs(only(plan, OF_INSTANCES), now, 1)
    backup = next_runs(only(plan, BACKUPS), now, 1)
    return (first[0] if first else None), (backup[0] if backup else None)


def only(plan: Plan, kinds: Sequence[Kind]) -> Plan:
    """The same plan without the other kinds."""
    return replace(plan, crons={kind: text for kind, text in plan.crons.items() if kind in kinds})


def _succeeded(instances: Sequence[Instance]) -> dict[int, dict[Kind, datetime]]:
    """When the newest run that succeeded was started, by instance and kind."""
    rows = (
        ScheduledRun.objects.filter(
            instance__in=[one.pk for one in instances], state=RunState.SUCCEEDED, started_at__isnull=False
        )
        .order_by()
        .values_list("instance_id", "kind")
        .annotate(newest=Max("started_at"))
    )
    found: dict[int, dict[Kind, datetime]] = {}
    for key, kind, newest in rows:
        found.setdefault(key, {})[cast(Kind, kind)] = newest
    return found


def _with_own(instance: Instance, succeeded: Mapping[Kind, datetime]) -> dict[Kind, datetime]:
    """What a person started counts as well as what the schedule did."""
    found = dict(succeeded)
    loaded = instance._state.fields_cache
    backup, test = loaded.get("last_good_backup"), loaded.get("last_restore_test")
    if backup is not None:
        kind = cast(Kind, backup.type)
        found[kind] = max(found.get(kind, backup.started_at), backup.started_at)
    if test is not None and test.passed:
        kind = cast(Kind, RunKind.RESTORE_TEST.value)
        found[kind] = max(found.get(kind, test.started_at), test.started_at)
    return found
