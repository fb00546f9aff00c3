"""Changing the targets of a tier."""

from __future__ import annotations

from django.db import transaction

from catalog.models import Tier
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from dataprotect.ops.services.audit import audit_record


@transaction.atomic
def tier_update(*, actor: Actor, tier: Tier, rto_seconds: int, rpo_seconds: int) -> Tier:
    """Both in seconds. Raises `access.denied`, `input.…`."""
    require(actor=actor, permission="catalog.change_tier")
    row = Tier.objects.select_for_update().get(pk=tier.pk)
    before = {"rto_seconds": row.rto_seconds, "rpo_seconds": row.rpo_seconds}
    row.rto_seconds, row.rpo_seconds = rto_seconds, rpo_seconds
    save_clean(row)
    after = {"rto_seconds": rto_seconds, "rpo_seconds": rpo_seconds}
    audit_record(actor=actor, verb="tier.changed", subject=row, data={"before": before, "after": after})
    return row
