"""The outbox: one message per channel, written in the transaction of the change it tells of."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task

from dataprotect.core import clock
from dataprotect.ops.alert_states import RANK, DeliveryKind, Severity
from dataprotect.ops.models import Alert, AlertChannel, AlertDelivery

DELIVER = "dataprotect.ops.tasks.deliver_alerts"
log = logging.getLogger(__name__)
_LONGEST_TITLE = 250


def message_write(*, alert: Alert, kind: DeliveryKind) -> int:
    """One delivery for every channel that wants this alert; sent when the caller's transaction commits.

    The end of an alert is told to those who were told of its beginning. Returns how many were written.
    """
    channels = _told(alert) if kind == DeliveryKind.RESOLVED else _wanting(alert)
    now = clock.now()
    written = AlertDelivery.objects.bulk_create(
        AlertDelivery(
            alert=alert, channel=channel, kind=kind, severity=alert.severity, title=title_of(alert, kind),
            body=body_of(alert, kind), due_at=now, created_at=now,
        )
        for channel in channels
    )  # fmt: skip
    if written:
        transaction.on_commit(functools.partial(send_soon))
    return len(written)


@transaction.atomic
def notice_write(*, rule: str, title: str, body: str, link: str) -> int:
    """Something to know that is no trouble, so there is no alert: to every channel that takes `rule` at the
    lowest severity. Once for each `title`; returns how many messages were written.
    """
    title = f"{Severity.INFO.label}: {title}"[:_LONGEST_TITLE]
    if AlertDelivery.objects.filter(kind=DeliveryKind.NOTICE, title=title).exists():
        return 0
    now = clock.now()
    written = AlertDelivery.objects.bulk_create(
        AlertDelivery(
            channel=channel, kind=DeliveryKind.NOTICE, severity=Severity.INFO, title=title,
            body="\n".join([body, *_address(link)]), due_at=now, created_at=now,
        )
        for channel in AlertChannel.objects.filter(enabled=True)
        if takes(channel, rule, Severity.INFO)
    )  # fmt: skip
    if written:
        transaction.on_commit(functools.partial(send_soon))
    return len(written)


def send_soon() -> None:
    """Wake a worker. When the broker is down, the schedule that runs every minute sends instead."""
    try:
        async_task(DELIVER, task_name="deliver-alerts")
    except Exception as error:  # noqa: BLE001  each broker has its own errors, and the commit already happened
        log.warning("alerts wait for the next minute: the queue did not answer (%s)", type(error).__name__)


def wants(channel: AlertChannel, alert: Alert) -> bool:
    """By severity and rule. A channel that fails is never told of its own failure."""
    if alert.subject == channel_subject(channel):
        return False
    return takes(channel, alert.rule, Severity(alert.severity))


def takes(channel: AlertChannel, rule: str, severity: Severity) -> bool:
    """As it was set up."""
    loud_enough = RANK[severity] >= RANK[Severity(channel.minimum_severity)]
    return channel.enabled and loud_enough and (not channel.rules or rule in channel.rules)


def channel_subject(channel: AlertChannel) -> str:
    return f"alertchannel:{channel.pk}"


def title_of(alert: Alert, kind: DeliveryKind) -> str:
    """`Critical: orders would lose …`, or `Resolved: …`."""
    word = "Resolved" if kind == DeliveryKind.RESOLVED else Severity(alert.severity).label
    return f"{word}: {alert.title}"[:_LONGEST_TITLE]


def body_of(alert: Alert, kind: DeliveryKind) -> str:
    """Detail, since when, what became of it, and where to look."""
    lines = [alert.detail, f"Since {clock.iso(alert.first_seen_at)}, rule {alert.rule}."]
    if kind == DeliveryKind.REPEATED:
        lines.append("Nobody has acknowledged it yet.")
    if kind == DeliveryKind.RESOLVED and alert.resolved_at is not None:
        lines.append(f"Resolved {clock.iso(alert.resolved_at)}: {alert.resolved_reason}")
    return "\n".join(line for line in [*lines, *_address(alert.link)] if line)


def _address(link: str) -> list[str]:
    return [f"{settings.SITE_URL}{link}"] if link and settings.SITE_URL else []


def _wanting(alert: Alert) -> Iterable[AlertChannel]:
    return [channel for channel in AlertChannel.objects.filter(enabled=True) if wants(channel, alert)]


def _told(alert: Alert) -> Iterable[AlertChannel]:
    return AlertChannel.objects.filter(enabled=True, deliveries__alert=alert).distinct()


def body_of_test(sender: str) -> str:
    """Says that nothing is wrong, and who asked."""
    return f"{settings.SITE_NAME} can reach you here. Sent by {sender} at {clock.iso(clock.now())}."
