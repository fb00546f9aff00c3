"""The states of an alert and of a message about one, and the only steps between them.

Alert::

    open ──► acknowledged ──► resolved      somebody owns it │ it is over: by itself or by a person
     │ ▲          │  ▲
     ▼ │          ▼  │
    snoozed ◄────────┘                      silent until an instant, then open again
     └──────────────────────► resolved

Delivery::

    pending ──► sending ──► sent            the channel took it
       ▲           │
       ├───────────┤                        it did not: again after a pause, or after the sender died
       │           ├──► dead                it never did: shown, and may be sent again by a person
       └───────────│────── │
                   └──► dropped             its channel was switched off or removed

A resolved alert is final; the same trouble coming back is a new alert.
"""

from __future__ import annotations

from django.db.models import TextChoices


class AlertState(TextChoices):
    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    SNOOZED = "snoozed", "Snoozed"
    RESOLVED = "resolved", "Resolved"


class Severity(TextChoices):
    CRITICAL = "critical", "Critical"
    WARNING = "warning", "Warning"
    INFO = "info", "For information"


class DeliveryState(TextChoices):
    PENDING = "pending", "Waiting to be sent"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    DEAD = "dead", "Given up"
    DROPPED = "dropped", "Not sent: the channel is off"


class DeliveryKind(TextChoices):
    RAISED = "raised", "Raised"
    WORSE = "worse", "Got worse"
    REPEATED = "repeated", "Still open"
    RESOLVED = "resolved", "Resolved"
    TEST = "test", "Test"
    NOTICE = "notice", "To be known"


RANK = {Severity.INFO: 1, Severity.WARNING: 2, Severity.CRITICAL: 3}
"""For "at least": a channel with minimum `warning` gets warnings and critical ones."""

ALERT_TRANSITIONS: dict[AlertState, frozenset[AlertState]] = {
    AlertState.OPEN: frozenset({AlertState.ACKNOWLEDGED, AlertState.SNOOZED, AlertState.RESOLVED}),
    AlertState.ACKNOWLEDGED: frozenset({AlertState.SNOOZED, AlertState.RESOLVED}),
    AlertState.SNOOZED: frozenset({AlertState.OPEN, AlertState.ACKNOWLEDGED, AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset(),
}
UNRESOLVED = frozenset(AlertState) - {AlertState.RESOLVED}

DELIVERY_TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.SENDING, DeliveryState.DROPPED}),
    DeliveryState.SENDING: frozenset(
        {DeliveryState.SENT, DeliveryState.PENDING, DeliveryState.DEAD, DeliveryState.DROPPED}
    ),
    DeliveryState.SENT: frozenset(),
    DeliveryState.DEAD: frozenset({DeliveryState.PENDING}),
    DeliveryState.DROPPED: frozenset(),
}


def before(state: AlertState) -> frozenset[AlertState]:
    """The states from which `state` may be reached."""
    return frozenset(old for old, following in ALERT_TRANSITIONS.items() if state in following)
