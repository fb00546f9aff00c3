"""Giving people roles and taking them back. Who did it, and when, decides when the role counts."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db import transaction

from catalog import roles
from catalog.services.access import Actor, require
from dataprotect.core.errors import ForeseenError
from dataprotect.core.validation import shown
from dataprotect.ops.acting import acting
from dataprotect.ops.step_up import require_fresh


@transaction.atomic
def role_grant(*, actor: Actor, user: User, role: str, fresh_at: datetime | None = None) -> None:
    """`role` is one of `roles.ROLES`.

    Raises `access.denied`, `access.step_up`, `role.not_found`, `role.held`.
    """
    group = _allowed(actor, role, fresh_at)
    if user.groups.filter(pk=group.pk).exists():
        raise ForeseenError(
            "role.held", f"{user.get_username()} is {role} already.", "Nothing: there is nothing to do."
        )
    with acting(actor):
        user.groups.add(group)


@transaction.atomic
def role_revoke(*, actor: Actor, user: User, role: str, fresh_at: datetime | None = None) -> None:
    """Raises `access.denied`, `access.step_up`, `role.not_found`, `role.not_held`."""
    group = _allowed(actor, role, fresh_at)
    if not user.groups.filter(pk=group.pk).exists():
        raise ForeseenError(
            "role.not_held", f"{user.get_username()} is not {role}.", "Nothing: there is nothing to do."
        )
    with acting(actor):
        user.groups.remove(group)


def _allowed(actor: Actor, role: str, fresh_at: datetime | None) -> Group:
    """A person proves who they are first; the terminal has nobody to ask, and its grants wait instead."""
    require(actor=actor, permission="catalog.grant_role")
    if not isinstance(actor, str):
        require_fresh(fresh_at=fresh_at)
    group = Group.objects.filter(name=role).first() if role in roles.ROLES else None
    if group is None:
        raise ForeseenError(
            "role.not_found", f"There is no role {shown(role)}.", f"Choose one of {', '.join(roles.ROLES)}."
        )
    return group
