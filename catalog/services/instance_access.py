"""Giving people and groups rights on one instance, and taking them back."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group, User
from django.db import transaction
from guardian.shortcuts import assign_perm, remove_perm

from catalog import roles
from catalog.models import Instance
from catalog.services.access import Actor, require
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.services.audit import audit_record

Holder = User | Group


@transaction.atomic
def instance_access_grant(
    *, actor: Actor, instance: Instance, holder: Holder, permissions: Iterable[str]
) -> None:
    """`permissions` are codenames of `roles.GRANTABLE`. Raises `access.denied`, `input.permissions`."""
    names = _allowed(actor, instance, permissions)
    permissions_give(instance, holder, names)
    _record(actor, instance, "instance.access_granted", holder, names)


@transaction.atomic
def instance_access_revoke(
    *, actor: Actor, instance: Instance, holder: Holder, permissions: Iterable[str] = roles.GRANTABLE
) -> None:
    """Take the named rights back, or all of them. What a role gives for every instance stays."""
    names = _allowed(actor, instance, permissions)
    for name in names:
        remove_perm(name, holder, instance)
    _record(actor, instance, "instance.access_revoked", holder, names)


def permissions_give(instance: Instance, holder: Holder, names: Iterable[str]) -> None:
    """No questions asked and no event: for services that have done both."""
    for name in names:
        assign_perm(name, holder, instance)


def _allowed(actor: Actor, instance: Instance, permissions: Iterable[str]) -> list[str]:
    require(actor=actor, permission="catalog.grant_instance", instance=instance)
    names = sorted(set(permissions))
    unknown = [name for name in names if name not in roles.GRANTABLE]
    if unknown or not names:
        raise InvalidInput("permissions", f"Expected rights among {', '.join(roles.GRANTABLE)}.")
    return names


def _record(actor: Actor, instance: Instance, verb: str, holder: Holder, names: list[str]) -> None:
    kind = "group" if isinstance(holder, Group) else "user"
    data = {"holder": f"{kind}:{holder}", "permissions": names}
    audit_record(actor=actor, verb=verb, subject=instance, data=data)
