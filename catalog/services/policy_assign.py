"""Giving an instance its policy. Who may change an instance chooses; a shorter retention takes two."""

from __future__ import annotations

from django.db import transaction

from catalog.models import Instance, Policy
from catalog.services.access import Actor, require
from catalog.services.policy_write import second_person_needed
from catalog.services.retention_change import assignment_request, assignment_shortens
from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.services.audit import audit_record


def policy_assign(*, actor: Actor, instance: Instance, policy: Policy | None, reason: str = "") -> Instance:
    """From now on the instance is protected as `policy` says; None: nothing runs by itself, everything stays.

    Where a backup would go earlier than by the rules it has now (no policy keeps everything), nothing is
    changed: it becomes a request that a second person approves.
    Raises `access.denied`, `input.reason`, `policy.second_person`.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    if instance.policy_id == (policy.pk if policy is not None else None):
        return instance
    losses = assignment_shortens(instance, policy)
    if losses:
        if not reason.strip():
            raise InvalidInput(
                "reason",
                "Expected why: backups would be kept for a shorter time, so a second person must approve it."
                f" {losses[0]}",
            )
        asked = assignment_request(actor=actor, instance=instance, policy=policy, reason=reason)
        raise second_person_needed(asked.pk, losses)
    return _assign(actor, instance, policy)


@transaction.atomic
def _assign(actor: Actor, instance: Instance, policy: Policy | None) -> Instance:
    row = Instance.objects.select_for_update(of=("self",)).select_related("policy").get(pk=instance.pk)
    before = row.policy.name if row.policy is not None else None
    row.policy, row.policy_since = policy, clock.now() if policy is not None else None
    row.save(update_fields=["policy", "policy_since", "updated_at"])
    data = {"before": before, "after": policy.name if policy is not None else None}
    audit_record(actor=actor, verb="policy.assigned", subject=row, data=data)
    return row
