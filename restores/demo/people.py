"""One person per role, with a password that is shown once and never again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.db import transaction

from catalog import roles
from dataprotect.core.secrets import Secret
from dataprotect.ops.services.audit import audit_record

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
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for something else


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
    user, created = User.objects.get_or_create(username=name)
    user.groups.set([Group.objects.get(name=role)])
    if not (created or new_password):
        return Person(name, role, None)
    password = _password()
    user.set_password(password.reveal())
    user.save()
    verb = "user.added" if created else "user.password_changed"
    audit_record(actor=actor, verb=verb, subject=f"user:{user.pk}", data={"name": name, "role": role})
    return Person(name, role, password)


def _password() -> Secret:
    """Four groups of four: about 79 bits, easy to read off a screen."""
    return Secret("-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4)))
