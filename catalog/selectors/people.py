"""People as the page shows them: which roles, by whose doing, since when, and whether they count."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.db.models import QuerySet

from catalog.models import RoleGrant
from catalog.selectors.roles import counts_from, founded_at, grants_held
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.validation import shown


@dataclass(frozen=True, slots=True)
class HeldRole:
    name: str
    grant: RoleGrant | None
    """None: the membership was written behind everybody's back."""
    counts_from: datetime | None
    counts: bool


@dataclass(frozen=True, slots=True)
class PersonRow:
    person: User
    second_factor: bool
    roles: list[HeldRole] = field(default_factory=list)


def people_list() -> list[PersonRow]:
    """Everybody, by name; a constant number of queries."""
    return _rows(User.objects.order_by("username"))


def person_row(*, user: User) -> PersonRow:
    return _rows(User.objects.filter(pk=user.pk))[0]


def person_get(*, name: str) -> User:
    """Raises ForeseenError `person.not_found`."""
    found = User.objects.filter(username=name).first()
    if found is None:
        raise ForeseenError("person.not_found", f"There is nobody called {shown(name)}.", "Check the name.")
    return found


def _rows(people: QuerySet[User]) -> list[PersonRow]:
    founded, now = founded_at(), clock.now()
    grants = {(grant.user_id, grant.role_id): grant for grant in grants_held().filter(user__in=people)}
    strong = set(
        Authenticator.objects.filter(user__in=people)
        .exclude(type=Authenticator.Type.RECOVERY_CODES)
        .values_list("user_id", flat=True)
    )
    rows = []
    for person in people.prefetch_related("groups"):
        held = [
            _held(person, group.name, grants.get((person.pk, group.pk)), founded, now)
            for group in person.groups.all()
        ]
        rows.append(PersonRow(person, person.pk in strong, held))
    return rows


def _held(
    person: User, name: str, grant: RoleGrant | None, founded: datetime | None, now: datetime
) -> HeldRole:
    start = counts_from(grant, founded) if grant is not None else None
    return HeldRole(name, grant, start, person.is_active and start is not None and start <= now)
