"""Restore tests: what is tested next, what the last test said, and how its time compares with the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from catalog.models import Instance, Policy, Verification
from catalog.selectors.instances import instance_list
from catalog.selectors.plans import only, plan_of
from catalog.selectors.visible import Viewer, verifications_visible
from catalog.states import VerificationLevel
from dataprotect.engine.schedule import Kind, PlannedRun, next_runs

TESTS: tuple[Kind, ...] = ("restore_test", "pitr_test")


@dataclass(frozen=True, slots=True)
class TestRow:
    """One instance. Times in seconds; `share` is the measured RTO as a part of the target."""

    instance: Instance
    coming: PlannedRun | None
    last: Verification | None
    measured: float | None
    target: int

    @property
    def share(self) -> float | None:
        return None if self.measured is None else self.measured / self.target

    @property
    def is_breached(self) -> bool:
        return self.measured is not None and self.measured > self.target


def tested_instances(*, user: Viewer) -> QuerySet[Instance]:
    """By name, with all that `test_rows` needs. Paginate it."""
    return instance_list(user=user).select_related("tier", "last_restore_test", "rto_evidence", "policy")


def test_rows(instances: Sequence[Instance], now: datetime) -> list[TestRow]:
    """In the order of `instances`; two queries however many there are."""
    keys = {one.policy_id for one in instances if one.policy_id}
    policies = Policy.objects.filter(pk__in=keys).prefetch_related("blackouts")
    coming = {row.pk: next_runs(only(plan_of(row), TESTS), now, 1) for row in policies}
    return [_row(one, coming.get(one.policy_id or 0, [])) for one in instances]


def _row(instance: Instance, coming: Sequence[PlannedRun]) -> TestRow:
    evidence = instance.rto_evidence
    return TestRow(
        instance=instance,
        coming=coming[0] if coming else None,
        last=instance.last_restore_test,
        measured=evidence.rto_seconds if evidence else None,
        target=instance.tier.rto_seconds,
    )


def restore_tests(*, user: Viewer) -> QuerySet[Verification]:
    """Newest first, with backup and instance."""
    found = verifications_visible(user=user).filter(level=VerificationLevel.RESTORE)
    return found.select_related("backup__instance__tier").order_by("-finished_at", "-pk")
