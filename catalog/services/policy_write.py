"""Writing policies: adding, changing, copying, removing. Who may: a DBA Lead (`catalog.roles`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

from django.db import models, transaction

from catalog.models import Blackout, Policy
from catalog.selectors.retention_facts import RULE_FIELDS
from catalog.services import policy_input
from catalog.services.access import Actor, require
from catalog.services.cleaning import check_clean, save_clean
from catalog.services.retention_change import policy_shorten_request, policy_shortens
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import audit_record

_TIMES = {*policy_input.CRONS, "timezone"}


def policy_add(*, actor: Actor, name: str, **values: Any) -> Policy:
    """A new policy; what is not named is as the model says. Raises `access.denied`, `input.…`."""
    require(actor=actor, permission="catalog.add_policy")
    return _add(actor, {"name": name, **values}, {})


def policy_copy(*, actor: Actor, policy: Policy, name: str) -> Policy:
    """The same under another name, blackouts and all; no instance has it yet."""
    require(actor=actor, permission="catalog.add_policy")
    values = {field: getattr(policy, field) for field in policy_input.FIELDS}
    with transaction.atomic():
        row = _add(actor, values | {"name": name}, {"copied_from": policy.name})
        for blackout in policy.blackouts.all():
            blackout.pk, blackout.policy = None, row
            blackout.save(force_insert=True)
    return row


def policy_update(*, actor: Actor, policy: Policy, reason: str = "", **changes: Any) -> Policy:
    """Change the named fields. New times hold from now on: nothing that would have been is caught up.

    An edit by which a backup would go earlier, or log be kept for a shorter time, changes nothing: it becomes
    a request that a second person approves, with `reason` for that person to read.
    Raises `access.denied`, `input.…`, `policy.second_person`, `change.asked`.
    """
    require(actor=actor, permission="catalog.change_policy")
    values = policy_input.cleaned(changes)
    _check_edited(policy, values)
    retention = {
        name: value
        for name, value in values.items()
        if name in RULE_FIELDS and getattr(policy, name) != value
    }
    losses = policy_shortens(policy, retention) if retention else []
    if losses:
        raise _asked_for(actor, policy, retention, losses, reason)
    return _change(actor, policy, values)


def _check_edited(policy: Policy, values: Mapping[str, Any]) -> None:
    """The edit must make a whole policy before anybody is asked to approve a part of it."""
    candidate = Policy.objects.get(pk=policy.pk)
    for name, value in values.items():
        setattr(candidate, name, value)
    policy_input.check_whole(_all(candidate))
    check_clean(candidate)


@transaction.atomic
def policy_remove(*, actor: Actor, policy: Policy) -> None:
    """Raises `access.denied`, `policy.in_use`."""
    require(actor=actor, permission="catalog.delete_policy")
    row = Policy.objects.select_for_update().get(pk=policy.pk)
    used = row.instances.count()
    if used:
        raise ForeseenError(
            "policy.in_use",
            f"The policy {row.name} protects {used} instance{'s' if used > 1 else ''}.",
            "Give them another policy first.",
        )
    audit_record(actor=actor, verb="policy.removed", subject=row, data={"name": row.name})
    row.delete()


@transaction.atomic
def blackout_add(*, actor: Actor, policy: Policy, **values: Any) -> Blackout:
    """`reason` with `start_time`, `end_time`, `weekdays`, or with `starts_at`, `ends_at`."""
    require(actor=actor, permission="catalog.change_policy")
    row = Blackout(policy=policy, **policy_input.blackout(values))
    save_clean(row)
    audit_record(actor=actor, verb="policy.blackout_added", subject=policy, data=_blackout_data(row))
    return row


@transaction.atomic
def blackout_remove(*, actor: Actor, blackout: Blackout) -> None:
    """Raises `access.denied`."""
    require(actor=actor, permission="catalog.change_policy")
    data = _blackout_data(blackout)
    audit_record(actor=actor, verb="policy.blackout_removed", subject=blackout.policy, data=data)
    blackout.delete()


@transaction.atomic
def _add(actor: Actor, values: Mapping[str, Any], more: Mapping[str, Any]) -> Policy:
    row = Policy(**policy_input.cleaned(values))
    policy_input.check_whole(_all(row))
    save_clean(row)
    data = {name: _plain(value) for name, value in _all(row).items()}
    audit_record(actor=actor, verb="policy.added", subject=row, data={**data, **more})
    return row


@transaction.atomic
def _change(actor: Actor, policy: Policy, values: Mapping[str, Any]) -> Policy:
    row = Policy.objects.select_for_update().get(pk=policy.pk)
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not changed:
        return row
    before = {name: _plain(getattr(row, name)) for name in changed}
    for name, value in changed.items():
        setattr(row, name, value)
    policy_input.check_whole(_all(row))
    if _TIMES & set(changed):
        row.schedule_changed_at = clock.now()
    save_clean(row)
    data = {"before": before, "after": {name: _plain(value) for name, value in changed.items()}}
    audit_record(actor=actor, verb="policy.changed", subject=row, data=data)
    return row


def _asked_for(
    actor: Actor, policy: Policy, after: Mapping[str, Any], losses: list[str], reason: str
) -> ForeseenError:
    """The request is committed before the refusal is raised: the refusal names it."""
    if not reason.strip():
        raise InvalidInput(
            "reason",
            "Expected why: backups would be kept for a shorter time, so a second person must approve it."
            f" {losses[0]}",
        )
    asked = policy_shorten_request(actor=actor, policy=policy, after=after, reason=reason)
    return second_person_needed(asked.pk, losses)


def second_person_needed(request: int, losses: list[str]) -> ForeseenError:
    """How a change that shortens retention is refused."""
    more = f" (and {len(losses) - 1} more)" if len(losses) > 1 else ""
    return ForeseenError(
        "policy.second_person",
        f"Keeping backups for a shorter time needs a second person. {losses[0]}{more}",
        f"Nothing was changed. Request {request} awaits the approval of a DBA Lead or an Engineering Manager;"
        " save changes of anything else by themselves.",
    )


def _all(row: Policy) -> dict[str, Any]:
    return {name: getattr(row, name) for name in policy_input.FIELDS}


def _plain(value: Any) -> Any:
    if isinstance(value, time):
        return value.isoformat("minutes")
    return str(value) if isinstance(value, models.Model) else value


def _blackout_data(row: Blackout) -> dict[str, Any]:
    names = ("start_time", "end_time", "starts_at", "ends_at")
    given = {name: str(getattr(row, name)) for name in names if getattr(row, name) is not None}
    return {"reason": row.reason, "weekdays": row.weekdays, **given}
