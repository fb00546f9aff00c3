"""One person per role, with a password that is shown once and never again."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from catalog import roles
from catalog.services.person import person_add, person_new_password
from catalog.services.role_grant import role_grant, role_revoke
from dataprotect.core.secrets import Secret

PEOPLE = {
    "operator": roles.OPERATOR,
    "dba": roles.DBA,
    "senior-dba": roles.SENIOR_DBA,
    "dba-lead": roles.DBA_LEAD,
    "engineering-manager": roles.ENGINEERING_MANAGER,
    "vp-engineering": roles.VP_ENGINEERING,
    "auditor": roles.AUDITOR,
}
REGISTRAR = "dba-lead"


@dataclass(frozen=True, slots=True)
class Person:
    """`password` is None when it was printed on an earlier run."""

    name: str
    role: str
    password: Secret | None


def people_ensure(*, actor: str, new_passwords: bool) -> list[Person]:
    """Everybody of PEOPLE with exactly their role; passwords only for the new ones, or for all."""
    return [_person(actor, name, role, new_passwords) for name, role in PEOPLE.items()]


@transaction.atomic
def _person(actor: str, name: str, role: str, new_password: bool) -> Person:
    user, password = User.objects.filter(username=name).first(), None
    if user is None:
        user, password = person_add(actor=actor, name=name)
    elif new_password:
        password = person_new_password(actor=actor, user=user)
    held = set(user.groups.values_list("name", flat=True))
    for other in held - {role}:
        role_revoke(actor=actor, user=user, role=other)
    if role not in held:
        role_grant(actor=actor, user=user, role=role)
    return Person(name, role, password)
