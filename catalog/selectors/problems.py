"""What can be wrong with an instance, as conditions the database evaluates for all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When

from catalog.models import Instance, LogStretch, Tier
from catalog.rules.facts import FailedBackup

MOST_FAILED = 500
"""Of one page: more than anybody reads, fewer than any database takes in one list."""


@dataclass(frozen=True, slots=True)
class Problems:
    """Conditions at one instant. The tiers are read once: an interval per row is not portable SQL."""

    now: datetime
    rpo_breached: Q
    never: Q
    test_failed: Q
    rto_breached: Q
    untested: Q
    unreachable: Q

    @classmethod
    def at(cls, now: datetime) -> Problems:
        breached = Q(pk__in=[])
        for key, rpo_seconds in Tier.objects.values_list("pk", "rpo_seconds"):
            limit = now - timedelta(seconds=rpo_seconds)
            breached |= Q(tier_id=key, last_good_at__lt=limit) & ~Q(_logged_past(limit))
        return cls(
            now=now,
            rpo_breached=breached,
            never=Q(last_good_at__isnull=True),
            test_failed=Q(last_restore_test__passed=False),
            rto_breached=Q(rto_evidence__rto_seconds__gt=F("tier__rto_seconds")),
            untested=Q(last_restore_test__isnull=True),
            unreachable=~Q(probe_problem=""),
        )

    def failed(self, newest: Mapping[int, FailedBackup]) -> Q:
        """Instances that one of these failed attempts belongs to; the rule decides whether it matters."""
        return Q(pk__in=list(newest)[:MOST_FAILED])

    @property
    def danger(self) -> Q:
        return self.never | self.test_failed | self.rpo_breached

    @property
    def warn(self) -> Q:
        return self.rto_breached | self.untested | self.unreachable

    def of(self, severity: str) -> Q:
        """Instances whose worst is exactly `severity` (danger, warn, ok)."""
        if severity == "danger":
            return self.danger
        if severity == "warn":
            return self.warn & ~self.danger
        return ~self.danger & ~self.warn


def _logged_past(limit: datetime) -> Exists:
    """Log goes on without a break from the last good backup to beyond `limit`."""
    return Exists(
        LogStretch.objects.filter(
            instance=OuterRef("pk"), start_at__lte=OuterRef("last_good_at"), end_at__gte=limit
        )
    )


def ranked(instances: QuerySet[Instance], problems: Problems) -> QuerySet[Instance]:
    """The worst first, then by name; nothing wrong comes last."""
    order = (
        problems.never,
        problems.test_failed,
        problems.rpo_breached,
        problems.rto_breached,
        problems.unreachable,
        problems.untested,
    )
    whens = [When(condition, then=Value(number)) for number, condition in enumerate(order)]
    rank = Case(*whens, default=Value(9), output_field=IntegerField())
    return instances.order_by(rank, "name")
