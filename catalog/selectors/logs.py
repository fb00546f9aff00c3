"""The log of instances as pages show it: who collects it, how far it is, where it is broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q, QuerySet

from catalog.models import Instance, LogCollector, LogGap, LogStretch, RpoSample
from catalog.selectors.streaming import streaming_instances
from catalog.selectors.visible import Viewer, instances_visible, not_found
from dataprotect.core import clock


@dataclass(frozen=True, slots=True)
class LogRow:
    """One instance on the Logs page. `held` is False when no collector has it at this moment."""

    instance: Instance
    wanted: bool
    collector: LogCollector | None
    held: bool
    stored_until: datetime | None
    """Every instant up to here is stored, from the latest stretch's beginning."""
    open_gaps: int
    bytes: int


@dataclass(frozen=True, slots=True)
class RpoPoint:
    at: datetime
    exposure_seconds: float
    achieved_seconds: float | None


@dataclass(frozen=True, slots=True)
class LogDetail:
    row: LogRow
    stretches: list[LogStretch]
    gaps: list[LogGap]
    rpo: list[RpoPoint]
    target_seconds: int
    worst_seconds: float | None
    """Of `rpo`; None when there is none."""


def log_list(*, user: Viewer) -> list[LogRow]:
    """Every instance the user may see whose log is wanted, stored or still held by a slot; by name."""
    wanted = set(streaming_instances().order_by().values_list("pk", flat=True))
    found = (
        instances_visible(user=user)
        .filter(Q(pk__in=wanted) | Q(log_stretches__isnull=False) | ~Q(log_collector__slot_name=""))
        .exclude(~Q(pk__in=wanted), log_stretches=None, log_collector=None)
        .select_related("tier", "repository", "log_collector")
        .distinct()
        .order_by("name")
    )
    return _rows(list(found), wanted)


def log_detail(*, user: Viewer, name: str, hours: int = 24, now: datetime | None = None) -> LogDetail:
    """Raises ForeseenError `instance.not_found`."""
    at = now or clock.now()
    instance = (
        instances_visible(user=user)
        .select_related("tier", "repository", "log_collector")
        .filter(name=name)
        .first()
    )
    if instance is None:
        raise not_found("instance", name)
    wanted = set(streaming_instances().filter(pk=instance.pk).order_by().values_list("pk", flat=True))
    rpo = rpo_series(instance=instance, since=at - timedelta(hours=hours))
    return LogDetail(
        row=_rows([instance], wanted)[0],
        stretches=list(instance.log_stretches.select_related("repository").order_by("timeline", "start_at")),
        gaps=list(instance.log_gaps.order_by("-noticed_at")),
        rpo=rpo,
        target_seconds=instance.tier.rpo_seconds,
        worst_seconds=max((point.exposure_seconds for point in rpo), default=None),
    )


def log_gaps(*, user: Viewer, acknowledged: bool | None = None) -> QuerySet[LogGap]:
    """Gaps of every instance the user may see, the newest first; `acknowledged` None: all."""
    found = LogGap.objects.select_related("instance").order_by("-noticed_at")
    if not isinstance(user, str):
        found = found.filter(instance__in=instances_visible(user=user).order_by().values("pk"))
    if acknowledged is not None:
        found = found.filter(acknowledged_at__isnull=not acknowledged)
    return found


def log_gap_get(*, user: Viewer, pk: int) -> LogGap:
    """Raises ForeseenError `gap.not_found`."""
    found = log_gaps(user=user).filter(pk=pk).first()
    if found is None:
        raise not_found("gap", str(pk))
    return found


def rpo_series(*, instance: Instance, since: datetime) -> list[RpoPoint]:
    """Oldest first."""
    rows = RpoSample.objects.filter(instance=instance, at__gte=since).order_by("at")
    return [RpoPoint(*row) for row in rows.values_list("at", "exposure_seconds", "achieved_seconds")]


def _rows(instances: list[Instance], wanted: set[int]) -> list[LogRow]:
    keys = [instance.pk for instance in instances]
    stored = dict(
        LogStretch.objects.filter(instance__in=keys)
        .order_by()
        .values("instance")
        .annotate(until=Max("end_at"))
        .values_list("instance", "until")
    )
    sizes: dict[int, int] = {}
    for key, size in LogStretch.objects.filter(instance__in=keys).order_by().values_list("instance", "bytes"):
        sizes[key] = sizes.get(key, 0) + size
    gaps = dict(
        LogGap.objects.filter(instance__in=keys, acknowledged_at=None)
        .order_by()
        .values("instance")
        .annotate(count=Count("pk"))
        .values_list("instance", "count")
    )
    now = clock.now()
    return [_row(each, wanted, stored, sizes, gaps, now) for each in instances]


def _row(
    instance: Instance, wanted: set[int], stored: dict[int, datetime | None],
    sizes: dict[int, int], gaps: dict[int, int], now: datetime,
) -> LogRow:  # fmt: skip
    collector: LogCollector | None = getattr(instance, "log_collector", None)
    held = bool(collector and collector.lease_until and collector.lease_until > now)
    return LogRow(
        instance=instance,
        wanted=instance.pk in wanted,
        collector=collector,
        held=held,
        stored_until=stored.get(instance.pk),
        open_gaps=gaps.get(instance.pk, 0),
        bytes=sizes.get(instance.pk, 0),
    )
