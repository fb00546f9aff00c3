"""One instance as a row of the overview: what it has, against what it should have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from catalog.models import Backup, Instance, Verification
from catalog.selectors.plans import ScheduleState
from catalog.selectors.strip import StripDay


@dataclass(frozen=True, slots=True)
class InstanceRow:
    instance: Instance
    severity: str
    """danger (nothing to restore, or the target is breached), warn, ok"""
    last_good_backup: Backup | None
    age_seconds: float | None
    """Since the newest instant that can be restored, by backup or log: whatever came after would be lost."""
    rpo_target_seconds: int
    rto_seconds: float | None
    """Measured by the latest restore test that passed."""
    rto_target_seconds: int
    last_restore_test: Verification | None
    strip: tuple[StripDay, ...]
    schedule: ScheduleState = field(default_factory=ScheduleState)
    """What its policy does next, and what is overdue."""

    @property
    def rpo_breached(self) -> bool:
        return self.age_seconds is None or self.age_seconds > self.rpo_target_seconds

    @property
    def rto_breached(self) -> bool:
        return self.rto_seconds is not None and self.rto_seconds > self.rto_target_seconds

    @property
    def next_at(self) -> datetime | None:
        """When its next backup begins, as far as window and blackouts let it; None without a policy."""
        coming = self.schedule.next_backup
        return coming.starts_at if coming is not None else None


def instance_row(
    instance: Instance,
    strip: tuple[StripDay, ...],
    now: datetime,
    schedule: ScheduleState | None = None,
    logged_until: datetime | None = None,
) -> InstanceRow:
    """Needs tier, last_good_backup, last_restore_test and rto_evidence selected: it asks nothing itself.

    logged_until  where log reaches further than the last good backup; see `selectors.facts`
    """
    newest = logged_until or instance.last_good_at
    age = max(0.0, (now - newest).total_seconds()) if newest else None
    evidence = instance.rto_evidence
    row = InstanceRow(
        instance=instance,
        severity="ok",
        last_good_backup=instance.last_good_backup,
        age_seconds=age,
        rpo_target_seconds=instance.tier.rpo_seconds,
        rto_seconds=evidence.rto_seconds if evidence else None,
        rto_target_seconds=instance.tier.rto_seconds,
        last_restore_test=instance.last_restore_test,
        strip=strip,
        schedule=schedule or ScheduleState(),
    )
    return _with_severity(row)


def _with_severity(row: InstanceRow) -> InstanceRow:
    test = row.last_restore_test
    if row.rpo_breached or (test is not None and not test.passed):
        return replace(row, severity="danger")
    if row.rto_breached or test is None or row.instance.probe_problem:
        return replace(row, severity="warn")
    return row
