"""By the clock: what is snoozed wakes up, and what nobody acknowledges is told again."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from dataprotect.core import clock
from dataprotect.ops.alert_states import AlertState, DeliveryKind, Severity
from dataprotect.ops.models import Alert
from dataprotect.ops.services.alert_change import alert_move
from dataprotect.ops.services.alert_message import message_write


def alerts_wake() -> dict[str, int]:
    """Counts `{"woken", "repeated"}`."""
    now = clock.now()
    snoozed = Alert.objects.filter(state=AlertState.SNOOZED, snoozed_until__lte=now)
    woken = sum(_wake(alert, now) for alert in snoozed)
    return {"woken": woken, "repeated": sum(_repeat(alert, now) for alert in _unheard(now))}


def _unheard(now: datetime) -> list[Alert]:
    """Critical, open, and last told too long ago. ALERT_REPEAT_MINUTES of 0 turns repeats off."""
    pause = timedelta(minutes=settings.ALERT_REPEAT_MINUTES)
    if not pause:
        return []
    open_ones = Alert.objects.filter(state=AlertState.OPEN, severity=Severity.CRITICAL)
    return list(open_ones.filter(Q(notified_at=None) | Q(notified_at__lte=now - pause)))


@transaction.atomic
def _wake(alert: Alert, now: datetime) -> int:
    columns = {"snoozed_until": None, "notified_at": now}
    if not alert_move(alert=alert, state=AlertState.OPEN, actor="system", data={}, **columns):
        return 0
    message_write(alert=alert, kind=DeliveryKind.REPEATED)
    return 1


@transaction.atomic
def _repeat(alert: Alert, now: datetime) -> int:
    """Conditional on what was read, so that two schedulers tell it once."""
    same = Alert.objects.filter(pk=alert.pk, state=AlertState.OPEN, notified_at=alert.notified_at)
    if not same.update(notified_at=now):
        return 0
    alert.refresh_from_db()
    message_write(alert=alert, kind=DeliveryKind.REPEATED)
    return 1
