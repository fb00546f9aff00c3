"""The tombstone of a backup: the first of the two phases of its end, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from catalog.models import Backup, ChangeRequest, Expiry, Instance
from catalog.services.access import Actor, require
from catalog.services.backup_state import backup_move
from catalog.services.cleaning import save_clean
from catalog.services.instance_refresh import instance_refresh
from catalog.states import BackupState, ExpiryState, VerificationLevel
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import actor_name, audit_record

_OLD = (ExpiryState.WAITING, ExpiryState.DELETING)


def expiry_place(
    *, actor: Actor, backup: Backup, reasons: Sequence[str], requested: ChangeRequest | None = None
) -> Expiry:
    """Put the tombstone, in the caller's transaction. Nothing is deleted before the grace time is over.

    Raises `backup.state_changed` when somebody else moved the backup meanwhile.
    """
    now = clock.now()
    expiry = Expiry(
        backup=backup,
        reasons=list(reasons),
        previous_state=backup.state,
        previous_failed_level=backup.failed_level,
        placed_at=now,
        placed_by=actor_name(actor),
        delete_after=now + timedelta(days=settings.EXPIRY_GRACE_DAYS),
        requested=requested,
    )
    backup_move(actor=actor, backup=backup, state=BackupState.EXPIRING)
    save_clean(expiry)
    instance_refresh(backup.instance)
    data = {
        "reasons": list(reasons),
        "delete_after": clock.iso(expiry.delete_after),
        "request": requested.pk if requested is not None else None,
    }
    audit_record(actor=actor, verb="expiry.placed", subject=backup.subject, data=data)
    return expiry


@transaction.atomic
def backup_spare(*, actor: Actor, backup: Backup, reason: str) -> Expiry:
    """Take the tombstone away during the grace time, for a person.

    A rule that still finds nothing to keep the backup places a new one, with a new grace time: a hold is the
    way to keep it. Raises `access.denied`, `expiry.none`, `input.reason`.
    """
    require(actor=actor, permission="catalog.backup_instance", instance=backup.instance)
    words = " ".join(reason.split())
    if not words:
        raise InvalidInput("reason", "Expected a reason, in a few words.")
    Instance.objects.select_for_update().get(pk=backup.instance_id)
    expiry = Expiry.objects.filter(backup=backup, state=ExpiryState.WAITING).first()
    if expiry is None:
        raise ForeseenError(
            "expiry.none",
            f"The backup {backup.backup_id} is not waiting for its deletion.",
            "Look at its state: it stays, or it is being deleted or gone already.",
        )
    expiry_spare(actor=actor, expiry=expiry, reason=words)
    return expiry


def expiry_spare(*, actor: Actor, expiry: Expiry, reason: str) -> None:
    """The backup is again what it was before the tombstone; in the caller's transaction.

    Raises `expiry.changed` when its deletion began or ended meanwhile.
    """
    now, words = clock.now(), reason[:500]
    changed = Expiry.objects.filter(Q(state__in=_OLD), pk=expiry.pk, state=expiry.state).update(
        state=ExpiryState.SPARED, spared_at=now, spared_by=actor_name(actor), spared_reason=words
    )
    if not changed:
        raise ForeseenError(
            "expiry.changed",
            f"The expiry of {expiry.backup.backup_id} went on while this was running.",
            "Look at the backup again.",
            retry=True,
        )
    expiry.state, expiry.spared_at, expiry.spared_reason = ExpiryState.SPARED, now, words
    backup = Backup.objects.select_related("instance").get(pk=expiry.backup_id)
    failed = VerificationLevel(expiry.previous_failed_level) if expiry.previous_failed_level else None
    backup_move(actor=actor, backup=backup, state=BackupState(expiry.previous_state), failed_level=failed)
    instance_refresh(backup.instance)
    audit_record(actor=actor, verb="expiry.spared", subject=backup.subject, data={"reason": words})
