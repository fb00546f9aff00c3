"""Which roles of a person count when something is signed, and who has which.

A membership gives the rights of its role at once. To *count* for an approval it has to be somebody else's
doing, or old enough for others to have seen it:

| who gave the role | it counts |
|---|---|
| another person, signed in | at once |
| the person themself | after 24 hours |
| somebody at the terminal, who could be anybody | after 24 hours; at once while the installation is founded |
| nobody knows (a shell, another application, before grants were recorded) | after 24 hours |
| there is no record (the row was written behind everybody's back) | never: take it back and give it again |

An installation is founded in the 24 hours after its very first role, if that was given at the terminal:
nobody else is there yet who could give one. Whoever is switched off has no role that counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet

from catalog.models import RoleGrant
from catalog.states import GrantDoor

WAITS = timedelta(hours=24)


def counting_roles(*, user: User, at: datetime) -> frozenset[str]:
    """Names of the roles (`catalog.roles`) of `user` that count for an approval at `at`.

    Read from the database and not from the object, which may be older than what was decided since.
    """
    if not User.objects.filter(pk=user.pk, is_active=True).exists():
        return frozenset()
    first = founded_at()
    return frozenset(
        grant.role.name for grant in grants_held().filter(user=user) if at >= counts_from(grant, first)
    )


def grants_held() -> QuerySet[RoleGrant]:
    """The open grants behind which there still is a membership."""
    members = User.groups.through.objects.all()
    pairs = members.filter(user_id=OuterRef("user_id"), group_id=OuterRef("role_id"))
    return RoleGrant.objects.filter(Exists(pairs), ended_at=None).select_related("role", "user")


def founded_at() -> datetime | None:
    """When the first role ever was given, if that was at the terminal; else None."""
    first = RoleGrant.objects.order_by("granted_at", "pk").only("door", "granted_at").first()
    return first.granted_at if first is not None and first.door == GrantDoor.TERMINAL else None


def counts_from(grant: RoleGrant, founded: datetime | None) -> datetime:
    """The instant from which the role of `grant` counts; `founded` is what `founded_at` said."""
    if grant.door == GrantDoor.PERSON and grant.granted_by_id != grant.user_id:
        return grant.granted_at
    founding = founded is not None and grant.granted_at < founded + WAITS
    if grant.door == GrantDoor.TERMINAL and founding:
        return grant.granted_at
    return grant.granted_at + WAITS
