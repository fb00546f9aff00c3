"""One step of an alert: a conditional UPDATE, and an event in the same transaction."""

from __future__ import annotations

from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.ops.alert_states import AlertState, before
from dataprotect.ops.models import Alert
from dataprotect.ops.services.audit import Actor, audit_record

_VERBS = {
    AlertState.OPEN: "alert.woken",
    AlertState.ACKNOWLEDGED: "alert.acknowledged",
    AlertState.SNOOZED: "alert.snoozed",
    AlertState.RESOLVED: "alert.resolved",
}


def alert_move(
    *, alert: Alert, state: AlertState, actor: Actor, data: dict[str, object], **columns: Any
) -> bool:
    """`alert` to `state`, in the caller's transaction. False when it is in no state that leads there."""
    allowed = Alert.objects.filter(pk=alert.pk, state__in=before(state))
    if not allowed.update(state=state, **columns):
        return False
    alert.refresh_from_db()
    audit_record(actor=actor, verb=_VERBS[state], subject=alert, data={"rule": alert.rule, **data})
    return True


def may_handle(actor: Actor) -> None:
    """Raises `access.denied` unless the person may handle alerts; the system and a terminal may."""
    if not isinstance(actor, str) and not actor.has_perm("ops.handle_alert"):  # type: ignore[attr-defined]
        raise ForeseenError(
            "access.denied", "You may not handle alerts.", "Ask a DBA Lead for the right to do it."
        )


def refuse_resolved(alert: Alert) -> ForeseenError:
    """What to raise when `alert_move` found the alert in no state that leads on."""
    return ForeseenError(
        "alert.closed",
        f"The alert “{alert.title}” is {alert.get_state_display().lower()} already.",
        "Look at the list again; the same trouble coming back is a new alert.",
    )
