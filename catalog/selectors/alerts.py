"""Alerts a person may see: what is about an instance only with the right to see that instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, Count, Max, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from catalog.selectors.visible import (
    Viewer,
    backups_visible,
    instances_visible,
    not_found,
    sees_every_instance,
)
from dataprotect.ops.alert_states import UNRESOLVED, DeliveryState, Severity
from dataprotect.ops.models import Alert, AlertChannel, AlertDelivery, AuditEvent

_SHOWN = 50
_OF_THE_HOUSE = Q(subject="") | Q(subject__startswith="repository:") | Q(subject__startswith="alertchannel:")


@dataclass(frozen=True, slots=True)
class AlertDetail:
    alert: Alert
    changes: list[AuditEvent]
    """Newest first, at most 50."""
    deliveries: list[AlertDelivery]
    earlier: list[Alert]
    """The same trouble before, newest first, at most 50."""


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """What is unresolved, by how bad it is."""

    critical: int
    warning: int
    info: int
    newest: datetime | None

    @property
    def total(self) -> int:
        return self.critical + self.warning + self.info


def alert_list(*, user: Viewer) -> QuerySet[Alert]:
    """Newest first, with the owner. Nothing for whoever may not see alerts."""
    if not isinstance(user, str) and not user.has_perm("ops.view_alert"):
        return Alert.objects.none()
    rows = Alert.objects.select_related("owner")
    if sees_every_instance(user=user):
        return rows
    return rows.filter(_OF_THE_HOUSE | Q(subject__in=_instances(user)) | Q(subject__in=_backups(user)))


def alert_get(*, user: Viewer, key: int) -> Alert:
    """Raises ForeseenError `alert.not_found`."""
    found = alert_list(user=user).filter(pk=key).first()
    if found is None:
        raise not_found("alert", str(key))
    return found


def alert_detail(*, user: Viewer, key: int) -> AlertDetail:
    """Raises ForeseenError `alert.not_found`."""
    alert = alert_get(user=user, key=key)
    events = AuditEvent.objects.filter(subject_type="alert", subject_id=str(alert.pk))
    return AlertDetail(
        alert=alert,
        changes=list(events.order_by("-sequence")[:_SHOWN]),
        deliveries=list(alert.deliveries.select_related("channel").order_by("-created_at", "-pk")[:_SHOWN]),
        earlier=list(
            alert_list(user=user)
            .filter(dedupe_key=alert.dedupe_key, pk__lt=alert.pk)
            .order_by("-last_seen_at")[:_SHOWN]
        ),
    )


def alert_counts(*, user: Viewer) -> AlertCounts:
    """One query."""
    found = (
        alert_list(user=user)
        .filter(state__in=UNRESOLVED)
        .aggregate(
            **{level.value: Count("pk", filter=Q(severity=level)) for level in Severity},
            newest=Max("first_seen_at"),
        )
    )
    return AlertCounts(found["critical"], found["warning"], found["info"], found["newest"])


def _instances(user: Viewer) -> Any:
    named = Concat(Value("instance:"), Cast("pk", CharField()), output_field=CharField())
    return instances_visible(user=user).order_by().annotate(named=named).values("named")


def _backups(user: Viewer) -> Any:
    named = Concat(Value("backup:"), "backup_id", output_field=CharField())
    return backups_visible(user=user).order_by().annotate(named=named).values("named")


def channel_list(*, user: Viewer) -> QuerySet[AlertChannel]:
    """By name; with `given_up`, the messages that were never taken. Nothing for whoever may not see them."""
    if not isinstance(user, str) and not user.has_perm("ops.view_alertchannel"):
        return AlertChannel.objects.none()
    return AlertChannel.objects.annotate(
        given_up=Count("deliveries", filter=Q(deliveries__state=DeliveryState.DEAD))
    ).order_by("name")
