"""From rows to what retention is decided on: backups, their parents, holds, and the rules that apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from catalog.models import Backup, Expiry, Instance, LegalHold, Policy
from catalog.models.retention import ACTIVE
from catalog.states import GONE_BACKUP, BackupState
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.retention import BackupFacts, Decision, HoldFacts, LogFacts, RetentionRules, decide
from dataprotect.engine.retention_model import Proof

RULE_FIELDS = (
    "keep_daily_days",
    "keep_weekly_days",
    "keep_monthly_days",
    "keep_yearly_days",
    "minimum_restore_tested",
    "log_window_days",
    "timezone",
)
"""What of a policy decides how long something stays."""

_PROOFS: dict[str, Proof] = {
    BackupState.STORED: "unproved",
    BackupState.CHECKED: "checked",
    BackupState.RESTORE_TESTED: "restore_tested",
    BackupState.DAMAGED: "damaged",
    BackupState.MISSING: "missing",
}


@dataclass(frozen=True, slots=True)
class RetentionFacts:
    """All that is known of one instance. `rows` holds every backup that is not gone, by its id."""

    instance: Instance
    rules: RetentionRules
    backups: tuple[BackupFacts, ...]
    holds: tuple[HoldFacts, ...]
    rows: Mapping[str, Backup] = field(repr=False)
    former_systems: frozenset[str] = frozenset()
    """Clusters of which a backup was deleted by expiry."""

    def decide(
        self, at: datetime, *, rules: RetentionRules | None = None, logs: Iterable[LogFacts] = ()
    ) -> Decision:
        return decide(
            rules=rules or self.rules,
            backups=self.backups,
            holds=self.holds,
            logs=logs,
            at=at,
            former_systems=self.former_systems,
        )


def rules_for(instance: Instance) -> RetentionRules:
    """The rules of the instance's policy; without a policy everything stays."""
    return rules_of(instance.policy)


def rules_of(policy: Policy | None) -> RetentionRules:
    """The rules in the fields of a policy; without one everything stays."""
    if policy is None:
        return RetentionRules(keep_everything=True)
    values: dict[str, Any] = {name: getattr(policy, name) for name in RULE_FIELDS}
    return RetentionRules(**values)


def retention_facts(instances: Sequence[Instance]) -> list[RetentionFacts]:
    """In the order of `instances`, in seven queries however many there are."""
    policies = Policy.objects.in_bulk([row.policy_id for row in instances if row.policy_id is not None])
    rows = _rows(instances)
    parents = _parents(instances)
    leaving = _leaving(instances)
    holds = _holds(instances)
    former = _former_systems(instances)
    return [
        RetentionFacts(
            instance=instance,
            rules=rules_of(policies.get(instance.policy_id) if instance.policy_id is not None else None),
            backups=tuple(
                _backup(row, parents.get(row.pk, ()), leaving.get(row.pk)) for row in rows[instance.pk]
            ),
            holds=tuple(holds[instance.pk]),
            rows={row.backup_id: row for row in rows[instance.pk]},
            former_systems=former[instance.pk],
        )
        for instance in instances
    ]


def _rows(instances: Sequence[Instance]) -> dict[int, list[Backup]]:
    found: dict[int, list[Backup]] = {instance.pk: [] for instance in instances}
    present = Backup.objects.filter(instance__in=list(found)).exclude(state__in=GONE_BACKUP)
    for row in present.select_related("repository").order_by("stopped_at", "backup_id"):
        found[row.instance_id].append(row)
    return found


def _parents(instances: Sequence[Instance]) -> dict[int, tuple[str, ...]]:
    """Ids of parents by the dependent's key; a parent that was deleted is named too: it is missed."""
    edges = Backup.parents.through.objects.filter(
        from_backup__instance__in=[instance.pk for instance in instances]
    )
    found: dict[int, tuple[str, ...]] = {}
    for key, parent in edges.values_list("from_backup_id", "to_backup__backup_id").order_by("pk"):
        found[key] = (*found.get(key, ()), parent)
    return found


def _leaving(instances: Sequence[Instance]) -> dict[int, Expiry]:
    rows = Expiry.objects.filter(backup__instance__in=[row.pk for row in instances], state__in=ACTIVE)
    return {row.backup_id: row for row in rows}


def _holds(instances: Sequence[Instance]) -> dict[int, list[HoldFacts]]:
    found: dict[int, list[HoldFacts]] = {instance.pk: [] for instance in instances}
    standing = LegalHold.objects.filter(Q(lifted_at=None), instance__in=list(found))
    for row in standing.select_related("backup").order_by("placed_at", "pk"):
        backup_id = row.backup.backup_id if row.backup is not None else None
        found[row.instance_id].append(HoldFacts(row.matter, row.reason, row.owner, backup_id, row.until))
    return found


def _former_systems(instances: Sequence[Instance]) -> dict[int, frozenset[str]]:
    gone = Backup.objects.filter(instance__in=[row.pk for row in instances], state__in=GONE_BACKUP)
    found: dict[int, frozenset[str]] = {instance.pk: frozenset() for instance in instances}
    for key, system in gone.order_by().values_list("instance_id", "system_identifier").distinct():
        found[key] |= {system}
    return found


def _backup(row: Backup, parents: tuple[str, ...], expiry: Expiry | None) -> BackupFacts:
    """One that is expiring is judged as what it was before; the tombstone itself is no reason to go."""
    state = expiry.previous_state if expiry is not None else row.state
    start, stop = _position(row.start_position), _position(row.stop_position)
    further = _position(row.fingerprint_position)
    return BackupFacts(
        backup_id=row.backup_id,
        type=row.type,
        parents=parents,
        stopped_at=row.stopped_at,
        proof=_PROOFS[state],
        start_position=start,
        stop_position=max((known for known in (stop, further) if known is not None), default=None),
        timeline=row.timeline,
        system_identifier=row.system_identifier,
        condemned=expiry is not None and expiry.requested_id is not None,
    )


def _position(text: str) -> int | None:
    try:
        return lsn.parse(text)
    except ValueError:
        return None
