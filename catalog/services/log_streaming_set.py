"""Whether the log of an instance is streamed: as its policy says, or by a choice of its own."""

from __future__ import annotations

from django.db import transaction

from catalog.models import Instance, LogCollector
from catalog.services.access import Actor, require
from dataprotect.ops.services.audit import audit_record


@transaction.atomic
def log_streaming_set(*, actor: Actor, instance: Instance, wanted: bool | None) -> LogCollector:
    """`None`: as the policy says. A running collector follows within seconds; off, it drops the slot.

    Raises `access.denied`.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    row, _ = LogCollector.objects.get_or_create(instance=instance)
    if row.wanted is not wanted:
        LogCollector.objects.filter(pk=row.pk).update(wanted=wanted)
        row.wanted = wanted
        audit_record(actor=actor, verb="logs.streaming_set", subject=instance, data={"wanted": wanted})
    return row
