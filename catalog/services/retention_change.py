"""Changing how long backups are kept. Longer is a change like any other; shorter takes a second person.

"Shorter" is not read off the numbers: both sets of rules decide on what is there. When any backup would go
earlier by the new ones, or the window of log gets shorter, a second person must approve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from catalog.models import ChangeRequest, Instance, Policy
from catalog.selectors.retention_facts import (
    RULE_FIELDS,
    RetentionFacts,
    retention_facts,
    rules_of,
)
from catalog.services.access import Actor
from catalog.services.change_request import change_ask
from catalog.services.cleaning import check_clean
from catalog.states import ChangeKind
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.retention import Decision, RetentionRules, Verdict
from dataprotect.ops.services.audit import audit_record

_NAMED = 20


def retention_loses(instances: Sequence[Instance], after: RetentionRules) -> list[str]:
    """Sentences: what would go earlier by `after` than by the rules that each instance has now."""
    now = clock.now()
    found: list[str] = []
    for facts in retention_facts(instances):
        found += _losses(facts, after, now)
    return found


def policy_shortens(policy: Policy, after: Mapping[str, Any]) -> list[str]:
    """What would go earlier if the fields of `after` were changed; empty when nothing would."""
    instances = list(Instance.objects.filter(policy=policy).order_by("name"))
    values = {name: after.get(name, getattr(policy, name)) for name in RULE_FIELDS}
    return retention_loses(instances, rules_of(Policy(**values)))


def policy_shorten_request(
    *, actor: Actor, policy: Policy, after: Mapping[str, Any], reason: str
) -> ChangeRequest:
    """Ask for a change of a policy's retention fields; they change when it is approved.

    Raises `access.denied`, `input.…`.
    """
    changed = {name: after[name] for name in RULE_FIELDS if name in after}
    candidate = Policy.objects.get(pk=policy.pk)
    for name, value in changed.items():
        setattr(candidate, name, value)
    check_clean(candidate)
    payload = {
        "policy": policy.pk,
        "name": policy.name,
        "before": {name: getattr(policy, name) for name in changed},
        "after": changed,
        "loses": policy_shortens(policy, changed),
    }
    title = f"Keep for a shorter time: policy {policy.name}"
    return change_ask(
        actor=actor, kind=ChangeKind.SHORTEN_RETENTION, title=title, reason=reason, payload=payload
    )


def assignment_shortens(instance: Instance, policy: Policy | None) -> list[str]:
    """What would go earlier if the instance had `policy` instead of the one it has."""
    return retention_loses([instance], rules_of(policy))


def assignment_request(
    *, actor: Actor, instance: Instance, policy: Policy | None, reason: str
) -> ChangeRequest:
    """Ask that the instance gets another policy; it gets it when that is approved."""
    payload = {
        "instance": instance.pk,
        "name": instance.name,
        "before": instance.policy_id,
        "after": policy.pk if policy is not None else None,
        "rules": {name: getattr(policy, name) for name in RULE_FIELDS} if policy is not None else None,
        "loses": assignment_shortens(instance, policy),
    }
    return change_ask(
        actor=actor,
        kind=ChangeKind.SHORTEN_RETENTION,
        title=f"Another policy for {instance.name}",
        reason=reason,
        instance=instance,
        payload=payload,
    )


def retention_change_stands(change: ChangeRequest) -> bool:
    """Is what it would change still what it was when it was asked for?"""
    payload = change.payload
    if "policy" in payload:
        policy = _policy(payload["policy"])
        before = payload["before"].items()
        return policy is not None and all(getattr(policy, name) == old for name, old in before)
    policy = _policy(payload["after"])
    rules = {name: getattr(policy, name) for name in RULE_FIELDS} if policy is not None else None
    unchanged = Instance.objects.filter(pk=payload["instance"], policy=payload["before"]).exists()
    return unchanged and rules == payload["rules"]


@transaction.atomic
def retention_change_apply(*, actor: Actor, change: ChangeRequest) -> dict[str, Any]:
    """Do it, in the transaction of the approval. Raises `change.overtaken`."""
    payload = change.payload
    if "policy" in payload:
        rows = Policy.objects.filter(pk=payload["policy"], **payload["before"])
        done, subject = rows.update(**payload["after"]), f"policy:{payload['policy']}"
    else:
        held = Instance.objects.filter(pk=payload["instance"], policy=payload["before"])
        since = clock.now() if payload["after"] is not None else None
        done = held.update(policy=payload["after"], policy_since=since)
        subject = f"instance:{payload['instance']}"
    if not done:
        raise ForeseenError(
            "change.overtaken",
            "What was to be changed has been changed meanwhile.",
            "Look at it again, and ask anew.",
        )
    data = {"before": payload["before"], "after": payload["after"], "request": change.pk}
    audit_record(actor=actor, verb="retention.shortened", subject=subject, data=data)
    return {"changed": payload["after"]}


def _policy(key: int | None) -> Policy | None:
    return None if key is None else Policy.objects.filter(pk=key).first()


def _losses(facts: RetentionFacts, after: RetentionRules, now: datetime) -> list[str]:
    before = facts.rules
    old, new = facts.decide(now, rules=before), facts.decide(now, rules=after)
    found = [
        f"{facts.instance.name}: {name} goes {end} instead of {was}." for name, end, was in _earlier(old, new)
    ]
    more = len(found) - _NAMED
    found = [*found[:_NAMED], f"{facts.instance.name}: and {more} more."] if more > 0 else found
    if facts.backups and _window(after) < _window(before):
        found.append(
            f"{facts.instance.name}: log is kept for {after.log_window_days} days of recovery window"
            f" instead of {'all' if before.keep_everything else before.log_window_days}."
        )
    return found


def _earlier(old: Decision, new: Decision) -> list[tuple[str, str, str]]:
    """Backups that go earlier: id, when by the new rules, when by the old ones, in words."""
    found = []
    for was, will in zip(old.backups, new.backups, strict=True):
        if was.keep and _end(will) < _end(was):
            found.append((was.name, _shown(will), _shown(was)))
    return found


def _end(verdict: Verdict) -> datetime:
    """When it goes, for comparison: what has no known end goes last."""
    if not verdict.keep:
        return datetime.min.replace(tzinfo=UTC)
    return verdict.goes_on or datetime.max.replace(tzinfo=UTC)


def _shown(verdict: Verdict) -> str:
    if not verdict.keep:
        return "now"
    return f"on {verdict.goes_on:%Y-%m-%d}" if verdict.goes_on else "at no known date"


def _window(rules: RetentionRules) -> float:
    return float("inf") if rules.keep_everything else rules.log_window_days
