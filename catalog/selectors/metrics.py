"""Everything a scrape tells, in a number of queries that does not depend on how much is protected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from catalog.models import Instance, LogCollector
from catalog.rules.facts import RepositoryFacts
from catalog.rules.places import forecast
from catalog.selectors.facts import logged_until
from catalog.selectors.facts_places import repository_facts
from dataprotect.core import clock
from dataprotect.ops.alert_states import UNRESOLVED, AlertState, DeliveryState, Severity
from dataprotect.ops.models import Alert, AlertDelivery, Job
from dataprotect.ops.selectors import QueueHealth, queue_health
from dataprotect.ops.states import STATES


@dataclass(frozen=True, slots=True)
class InstanceNumbers:
    """Seconds and bytes; None is left out of the scrape, because nothing was measured."""

    name: str
    environment: str
    tier: str
    last_good_age: float | None
    rpo_exposure: float | None
    rpo_target: float
    rto_measured: float | None
    rto_target: float
    log_lag_seconds: float | None
    log_lag_bytes: float | None
    slot_bytes: float | None


@dataclass(frozen=True, slots=True)
class RepositoryNumbers:
    name: str
    usable: bool
    stored_bytes: float
    free_bytes: float | None
    days_left: float | None
    oldest_read_age: float | None


@dataclass(frozen=True, slots=True)
class Numbers:
    instances: list[InstanceNumbers]
    repositories: list[RepositoryNumbers]
    jobs: dict[str, int]
    alerts: dict[tuple[str, str], int]
    """By severity and state, unresolved ones only."""
    deliveries: dict[str, int]
    """Waiting to be sent, and given up."""
    queue: QueueHealth
    now: datetime


def numbers() -> Numbers:
    now = clock.now()
    return Numbers(
        instances=_instances(now),
        repositories=[_repository(facts, now) for facts in repository_facts(now)],
        jobs=dict.fromkeys(STATES, 0) | _counted(Job.objects.all(), "state"),
        alerts=_alerts(),
        deliveries={str(state): 0 for state in _UNSENT}
        | _counted(AlertDelivery.objects.filter(state__in=_UNSENT), "state"),
        queue=queue_health(),
        now=now,
    )


_UNSENT = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEAD)
_COLUMNS = (
    "pk", "name", "environment", "tier__name", "last_good_at", "tier__rpo_seconds",
    "rto_evidence__rto_seconds", "tier__rto_seconds",
)  # fmt: skip


def _instances(now: datetime) -> list[InstanceNumbers]:
    instances = Instance.objects.order_by("name")
    logged = logged_until(instances)
    logs = {row[0]: row[1:] for row in _log_rows()}

    def age(instant: datetime | None) -> float | None:
        return None if instant is None else max(0.0, (now - instant).total_seconds())

    found = []
    for key, name, environment, tier, good, rpo, measured, rto in instances.values_list(*_COLUMNS):
        lag_seconds, lag_bytes, slot = logs.get(key, (None, None, None))
        found.append(
            InstanceNumbers(
                name=name, environment=environment, tier=tier, last_good_age=age(good),
                rpo_exposure=age(logged.get(key, good)), rpo_target=rpo, rto_measured=measured,
                rto_target=rto, log_lag_seconds=lag_seconds, log_lag_bytes=lag_bytes, slot_bytes=slot,
            )
        )  # fmt: skip
    return found


def _log_rows() -> Any:
    return LogCollector.objects.values_list("instance_id", "lag_seconds", "lag_bytes", "slot_retained_bytes")


def _repository(facts: RepositoryFacts, now: datetime) -> RepositoryNumbers:
    ahead, oldest = forecast(facts.history), facts.oldest_read_at
    return RepositoryNumbers(
        name=facts.name,
        usable=not facts.unreachable,
        stored_bytes=facts.stored_bytes,
        free_bytes=facts.free_bytes,
        days_left=None if ahead is None else ahead.days_left,
        oldest_read_age=None if oldest is None else (now - oldest).total_seconds(),
    )


def _alerts() -> dict[tuple[str, str], int]:
    none = {(str(level), str(state)): 0 for level in Severity for state in AlertState if state in UNRESOLVED}
    rows = Alert.objects.filter(state__in=UNRESOLVED).order_by().values_list("severity", "state")
    return none | {(level, state): count for level, state, count in rows.annotate(count=Count("pk"))}


def _counted(rows: Any, column: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(column).annotate(count=Count("pk")))
