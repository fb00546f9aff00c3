"""Requests that a second person must approve, as pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import Q, QuerySet

from catalog.models import ChangeRequest
from catalog.selectors.visible import Viewer, instances_visible, not_found, sees_every_instance
from catalog.states import ChangeKind, ChangeState
from dataprotect.core import clock

APPROVERS = {
    ChangeKind.DELETE_BACKUP: "catalog.approve_deletion",
    ChangeKind.LIFT_HOLD: "catalog.approve_release",
    ChangeKind.SHORTEN_RETENTION: "catalog.approve_release",
}
"""The right that the second person holds, by kind of change."""


@dataclass(frozen=True, slots=True)
class ChangeDetail:
    change: ChangeRequest
    facts: list[tuple[str, str]]
    """What is approved, field by field, as the payload says it."""
    loses: list[str]
    """Sentences: what goes earlier, for a shorter retention."""
    is_open: bool
    may_approve: bool
    why_not: str
    """Why this viewer cannot approve it; empty when that is possible."""
    may_withdraw: bool


def change_list(*, user: Viewer, awaiting: bool | None = None) -> QuerySet[ChangeRequest]:
    """Newest first; `awaiting` True: only what can still be approved."""
    found = ChangeRequest.objects.select_related(
        "instance", "backup", "hold", "requested_by", "first_approver", "second_approver"
    )
    if not sees_every_instance(user=user):
        mine = instances_visible(user=user).order_by().values_list("pk", flat=True)
        own = Q(requested_by=user) if isinstance(user, AbstractUser) else Q()
        found = found.filter(Q(instance__in=mine) | own)
    if awaiting is not None:
        still = Q(state=ChangeState.AWAITING, expires_at__gt=clock.now())
        found = found.filter(still if awaiting else ~still)
    return found.order_by("-requested_at", "-pk")


def change_get(*, user: Viewer, pk: int) -> ChangeRequest:
    """Raises ForeseenError `change.not_found`."""
    found = change_list(user=user).filter(pk=pk).first()
    if found is None:
        raise not_found("change", str(pk))
    return found


def change_detail(*, user: Viewer, pk: int) -> ChangeDetail:
    """Raises ForeseenError `change.not_found`."""
    change = change_get(user=user, pk=pk)
    is_open = change.is_open(clock.now())
    why_not = _why_not(user, change) if is_open else "It has ended."
    return ChangeDetail(
        change=change,
        facts=_facts(change.payload),
        loses=list(change.payload.get("loses", [])),
        is_open=is_open,
        may_approve=not why_not,
        why_not=why_not,
        may_withdraw=is_open and _name(user) == change.requested_by_name,
    )


def changes_awaiting(*, user: Viewer) -> int:
    """How many this viewer could approve now, for a badge."""
    if isinstance(user, str):
        return 0
    kinds = [kind for kind, permission in APPROVERS.items() if user.has_perm(permission)]
    waiting = ChangeRequest.objects.filter(
        state=ChangeState.AWAITING, expires_at__gt=clock.now(), kind__in=kinds
    )
    return waiting.exclude(requested_by=user.pk).exclude(first_approver=user.pk).count()


def _why_not(user: Viewer, change: ChangeRequest) -> str:
    if isinstance(user, str):
        return "The terminal approves nothing: sign in by name."
    if not user.has_perm(APPROVERS[ChangeKind(change.kind)]):
        return "It takes a role that you do not have."
    if change.requested_by_id == user.pk or change.requested_by_name.partition(":")[2] == _name(user):
        return "You asked for it yourself: another person approves it."
    if change.first_approver_id == user.pk:
        return "You have approved it already: it takes a second person."
    return ""


def _name(user: Viewer) -> str:
    return user if isinstance(user, str) else user.get_username()


def _facts(payload: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in payload.items():
        if name in ("loses", "rules") or value in (None, [], ""):
            continue
        words = (
            ", ".join(f"{key}: {item}" for key, item in value.items()) if isinstance(value, dict) else value
        )
        if isinstance(words, list):
            words = ", ".join(str(item) for item in words)
        found.append((name.replace("_", " "), str(words)))
    return found
