"""The record of every membership that comes or goes, whatever door it came through: a RoleGrant and an event.

A signal calls it, because a membership is changed in many ways: by our services, by a shell, by another
application on the same tables. Only inside `ops.acting.acting` is it known by whom; else nobody gave it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from catalog.models import RoleGrant
from catalog.states import GrantDoor
from dataprotect.core import clock
from dataprotect.ops.acting import who_acts
from dataprotect.ops.services.audit import Actor, actor_name, audit_record

NOBODY = "unknown"


def membership_changed(
    *, action: str, instance: User | Group, reverse: bool, pk_set: set[int] | None, **kwargs: Any
) -> None:
    """The receiver of `m2m_changed`: `instance` is the user, or with `reverse` the group."""
    if action == "post_add":
        for user, role in _pairs(instance, reverse, pk_set or ()):
            _open(user, role)
    elif action == "post_remove":
        for user, role in _pairs(instance, reverse, pk_set or ()):
            _end(user, role)
    elif action == "pre_clear":
        held = instance.user_set if isinstance(instance, Group) else instance.groups
        for user, role in _pairs(instance, reverse, held.values_list("pk", flat=True)):
            _end(user, role)


def _pairs(instance: User | Group, reverse: bool, keys: Iterable[int]) -> list[tuple[User, Group]]:
    if isinstance(instance, Group):
        return [(user, instance) for user in User.objects.filter(pk__in=keys).order_by("pk")]
    return [(instance, role) for role in Group.objects.filter(pk__in=keys).order_by("pk")]


@transaction.atomic
def _open(user: User, role: Group) -> None:
    """A grant that is still open was left by a removal nobody saw: it must not speak for the new one."""
    RoleGrant.objects.filter(user=user, role=role, ended_at=None).update(
        ended_at=clock.now(), ended_by_name=NOBODY
    )
    actor = who_acts()
    person = actor if isinstance(actor, User) else None
    name = actor_name(actor) if actor is not None else NOBODY
    RoleGrant.objects.create(
        user=user,
        role=role,
        door=_door(actor),
        granted_at=clock.now(),
        granted_by=person,
        granted_by_name=name,
    )
    _tell(actor, "user.role_granted", user, role)


@transaction.atomic
def _end(user: User, role: Group) -> None:
    actor = who_acts()
    name = actor_name(actor) if actor is not None else NOBODY
    RoleGrant.objects.filter(user=user, role=role, ended_at=None).update(
        ended_at=clock.now(), ended_by_name=name
    )
    _tell(actor, "user.role_revoked", user, role)


def _door(actor: Actor | None) -> GrantDoor:
    if actor is None:
        return GrantDoor.UNKNOWN
    return GrantDoor.TERMINAL if isinstance(actor, str) else GrantDoor.PERSON


def _tell(actor: Actor | None, verb: str, user: User, role: Group) -> None:
    data = {"name": user.get_username(), "role": role.name}
    audit_record(actor=NOBODY if actor is None else actor, verb=verb, subject=f"user:{user.pk}", data=data)
