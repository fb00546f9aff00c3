"""What people do with an alert: take it, be silent about it for a while, give it to somebody."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.alert_states import UNRESOLVED, AlertState
from dataprotect.ops.models import Alert
from dataprotect.ops.services.alert_change import alert_move, may_handle, refuse_resolved
from dataprotect.ops.services.audit import Actor, actor_name, audit_record

LONGEST_SNOOZE = timedelta(days=30)


@transaction.atomic
def alert_acknowledge(*, actor: Actor, alert: Alert, note: str = "") -> Alert:
    """Somebody looks after it: no more repeats. Who acknowledges an alert without an owner becomes its owner.

    Raises `access.denied`, `alert.closed`.
    """
    may_handle(actor)
    note = " ".join(note.split())[:500]
    columns: dict[str, object] = {
        "acknowledged_at": clock.now(),
        "acknowledged_by": actor_name(actor),
        "acknowledged_note": note,
        "snoozed_until": None,
    }
    if isinstance(actor, AbstractBaseUser) and alert.owner_id is None:
        columns["owner"] = actor
    state = AlertState.ACKNOWLEDGED
    if not alert_move(alert=alert, state=state, actor=actor, data={"note": note}, **columns):
        alert.refresh_from_db()
        raise refuse_resolved(alert)
    return alert


@transaction.atomic
def alert_snooze(*, actor: Actor, alert: Alert, until: datetime, note: str = "") -> Alert:
    """No messages before `until`, 30 days at most; then it is open again if it is not over.

    Raises `access.denied`, `input.until`, `alert.closed`.
    """
    may_handle(actor)
    now = clock.now()
    if not now < until <= now + LONGEST_SNOOZE:
        raise InvalidInput("until", "Expected an instant in the next 30 days.")
    note = " ".join(note.split())[:500]
    data: dict[str, object] = {"until": clock.iso(until), "note": note}
    state = AlertState.SNOOZED
    if not alert_move(alert=alert, state=state, actor=actor, data=data, snoozed_until=until):
        alert.refresh_from_db()
        raise refuse_resolved(alert)
    return alert


@transaction.atomic
def alert_assign(*, actor: Actor, alert: Alert, owner: AbstractBaseUser | None) -> Alert:
    """Give it to `owner`, or to nobody. Raises `access.denied`, `alert.closed`."""
    may_handle(actor)
    if not Alert.objects.filter(pk=alert.pk, state__in=UNRESOLVED).update(owner=owner):
        alert.refresh_from_db()
        raise refuse_resolved(alert)
    alert.refresh_from_db()
    name = "" if owner is None else actor_name(owner)
    audit_record(actor=actor, verb="alert.assigned", subject=alert, data={"owner": name})
    return alert
