"""Raising and lifting the emergency stop."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops import stop
from dataprotect.ops.models import StopSwitch
from dataprotect.ops.services.audit import Actor, actor_name, audit_record


@transaction.atomic
def stop_raise(*, actor: Actor, reason: str) -> StopSwitch:
    """Raise the switch. One that is already up stays as it is, with its first reason."""
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise InvalidInput("reason", "Expected a reason for the stop, in a few words.")
    switch, created = StopSwitch.objects.get_or_create(
        active=True, defaults={"raised_by": actor_name(actor), "reason": reason}
    )
    if created:
        audit_record(actor=actor, verb="stop.raised", subject=switch, data={"reason": reason})
    return switch


@transaction.atomic
def stop_lift(*, actor: Actor, root_cause: str) -> StopSwitch:
    """Lift the switch. Needs the right `ops.lift_stop`, a root cause, and the file gone."""
    _may_lift(actor)
    root_cause = root_cause.strip()
    if not root_cause:
        raise InvalidInput("root_cause", "Expected the root cause, so that the next person can read it.")
    if reason := stop.file_reason():
        raise ForeseenError(
            "stop.file_present",
            f"The stop cannot be lifted while {reason}.",
            "Remove the file first, then lift.",
        )
    switch = StopSwitch.objects.select_for_update().filter(active=True).first()
    if switch is None:
        raise ForeseenError(
            "stop.not_active", "The emergency stop is not active.", "Nothing needs to be done."
        )
    switch.active, switch.lifted_at, switch.lifted_by = False, clock.now(), actor_name(actor)
    switch.root_cause = root_cause
    switch.full_clean()
    switch.save()
    audit_record(actor=actor, verb="stop.lifted", subject=switch, data={"root_cause": root_cause})
    return switch


def stop_latch() -> None:
    """Raise the switch when the file is there, so that the stop outlives the file."""
    reason = stop.file_reason()
    if reason and not StopSwitch.objects.filter(active=True).exists():
        stop_raise(actor="system", reason=reason)


def _may_lift(actor: Actor) -> None:
    if isinstance(actor, AbstractUser) and not actor.has_perm("ops.lift_stop"):
        raise ForeseenError(
            "stop.not_allowed", "Lifting the emergency stop takes a DBA Lead.", "Ask a DBA Lead to lift it."
        )
