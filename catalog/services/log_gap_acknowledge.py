"""A person has seen that log is missing and says what was done about it. The gap itself stays."""

from __future__ import annotations

from django.db import transaction

from catalog.models import LogGap
from catalog.services.access import Actor, require
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import actor_name, audit_record


@transaction.atomic
def log_gap_acknowledge(*, actor: Actor, gap: LogGap, note: str) -> LogGap:
    """Raises `access.denied`, `input.note`, `logs.gap_acknowledged` when somebody was quicker."""
    require(actor=actor, permission="catalog.change_instance", instance=gap.instance)
    words = " ".join(note.split())
    if not 1 <= len(words) <= 500:
        raise InvalidInput("note", "Expected a note of 1 to 500 characters: what happened, what was done.")
    changed = LogGap.objects.filter(pk=gap.pk, acknowledged_at=None).update(
        acknowledged_by=actor_name(actor)[:150], acknowledged_at=clock.now(), note=words
    )
    if not changed:
        raise ForeseenError(
            "logs.gap_acknowledged", "Somebody has acknowledged this gap already.", "Look at the note there."
        )
    gap.refresh_from_db()
    data = {"from": gap.from_position, "to": gap.to_position, "code": gap.code, "note": words}
    audit_record(actor=actor, verb="logs.gap_acknowledged", subject=gap.instance, data=data)
    return gap
