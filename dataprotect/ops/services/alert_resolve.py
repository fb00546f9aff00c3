"""The end of an alert: the trouble is over by itself, or a person says so."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.alert_states import UNRESOLVED, AlertState, DeliveryKind
from dataprotect.ops.models import Alert
from dataprotect.ops.services.alert_change import alert_move, may_handle, refuse_resolved
from dataprotect.ops.services.alert_message import message_write
from dataprotect.ops.services.audit import Actor, actor_name

OVER = "What was found is not there any more."


@transaction.atomic
def alert_resolve(dedupe_key: str, *, reason: str = OVER) -> Alert | None:
    """The trouble with this key is over. None when nothing was open: it is safe to call every time."""
    alert = Alert.objects.filter(dedupe_key=dedupe_key[:250], state__in=UNRESOLVED).first()
    return alert if alert is not None and alert_end(alert, actor="system", reason=reason) else None


@transaction.atomic
def alert_close(*, actor: Actor, alert: Alert, reason: str) -> Alert:
    """A person resolves it, with a reason. A rule that still finds the trouble raises a new alert.

    Raises `access.denied`, `input.reason`, `alert.closed`.
    """
    may_handle(actor)
    reason = " ".join(reason.split())
    if not reason:
        raise InvalidInput("reason", "Expected a reason, so that the next person can read it.")
    if not alert_end(alert, actor=actor, reason=reason):
        alert.refresh_from_db()
        raise refuse_resolved(alert)
    return alert


def alert_end(alert: Alert, *, actor: Actor, reason: str) -> bool:
    """In the caller's transaction. False when somebody was quicker."""
    columns: dict[str, Any] = {
        "resolved_at": clock.now(),
        "resolved_by": actor_name(actor),
        "resolved_reason": reason[:500],
        "snoozed_until": None,
    }
    data: dict[str, object] = {"reason": reason[:500]}
    if not alert_move(alert=alert, state=AlertState.RESOLVED, actor=actor, data=data, **columns):
        return False
    message_write(alert=alert, kind=DeliveryKind.RESOLVED)
    return True
