"""Placing a legal hold, and ending it once two persons agreed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from catalog.models import Backup, Expiry, Instance, LegalHold
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.services.expiry_place import expiry_spare
from catalog.states import GONE_BACKUP, ExpiryState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import actor_name, audit_record


@transaction.atomic
def hold_place(
    *,
    actor: Actor,
    instance: Instance,
    backup: Backup | None = None,
    reason: str,
    matter: str,
    owner: str = "",
    until: datetime | None = None,
) -> LegalHold:
    """Hold one backup, or without one everything of the instance. What was expiring is spared at once.

    Raises `access.denied`, `backup.deleted`, `input.reason`, `input.matter`, `input.owner`, `input.until`.
    """
    require(actor=actor, permission="catalog.add_legalhold", instance=instance)
    now = clock.now()
    if until is not None and until <= now:
        raise InvalidInput("until", "Expected an end in the future, or none.")
    # The point of no return takes the same lock: a hold comes before it, or too late, but never during it.
    locked = Instance.objects.select_for_update().get(pk=instance.pk)
    if backup is not None:
        backup = Backup.objects.select_related("instance").get(pk=backup.pk)
        _check_backup(locked, backup)
    hold = LegalHold(
        instance=locked,
        backup=backup,
        reason=_words("reason", reason, "why it must be kept"),
        matter=_words("matter", matter, "a matter reference, such as a case number"),
        owner=_words("owner", owner or actor_name(actor), "who answers questions about the hold"),
        until=until,
        placed_at=now,
        placed_by=actor_name(actor),
    )
    save_clean(hold)
    _spare_what_was_expiring(actor, hold)
    data = {
        "instance": locked.name,
        "backup": backup.backup_id if backup is not None else None,
        "matter": hold.matter,
        "reason": hold.reason,
        "owner": hold.owner,
        "until": clock.iso(until) if until is not None else None,
    }
    audit_record(actor=actor, verb="hold.placed", subject=hold, data=data)
    return hold


def hold_end(*, actor: Actor, hold: LegalHold, by: str) -> None:
    """Lift it, in the caller's transaction; `by` names both persons. Raises `hold.lifted`."""
    now = clock.now()
    if not LegalHold.objects.filter(pk=hold.pk, lifted_at=None).update(lifted_at=now, lifted_by=by[:150]):
        raise ForeseenError("hold.lifted", "The hold was lifted already.", "Nothing: there is nothing to do.")
    hold.lifted_at, hold.lifted_by = now, by[:150]
    audit_record(actor=actor, verb="hold.lifted", subject=hold, data={"matter": hold.matter, "by": by})


def _check_backup(instance: Instance, backup: Backup) -> None:
    if backup.instance_id != instance.pk:
        raise InvalidInput("backup", "Expected a backup of the instance that is held.")
    if backup.state in GONE_BACKUP:
        raise ForeseenError(
            "backup.deleted",
            f"The backup {backup.backup_id} is deleted, or its deletion has begun: nothing can hold it.",
            "Place the hold on the instance, so that everything that is left stays.",
        )


def _words(field: str, value: str, expected: str) -> str:
    words = " ".join(value.split())
    if not words:
        raise InvalidInput(field, f"Expected {expected}.")
    return words


def _spare_what_was_expiring(actor: Actor, hold: LegalHold) -> None:
    """Also what the held backup depends on: without its parents it would be worth nothing."""
    waiting = Expiry.objects.filter(state=ExpiryState.WAITING, backup__instance=hold.instance)
    if hold.backup is not None:
        waiting = waiting.filter(backup__in=_with_ancestors(hold.backup))
    for expiry in waiting.select_related("backup"):
        expiry_spare(actor=actor, expiry=expiry, reason=f"A legal hold was placed: {hold.matter}.")


def _with_ancestors(backup: Backup) -> set[int]:
    found, frontier = {backup.pk}, {backup.pk}
    while frontier:
        parents = Backup.objects.filter(dependents__in=frontier).values_list("pk", flat=True)
        frontier = set(parents) - found
        found |= frontier
    return found
