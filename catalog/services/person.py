"""Making people, and what only an administrator does to them: at the terminal, or as a superuser."""

from __future__ import annotations

import secrets

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.db import transaction

from catalog.services.access import Actor
from catalog.services.cleaning import save_clean
from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.ops.acting import acting
from dataprotect.ops.masking import remember
from dataprotect.ops.services.audit import audit_record

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for something else


@transaction.atomic
def person_add(*, actor: Actor, name: str) -> tuple[User, Secret]:
    """The person, and a password that exists in this moment only. No role yet: `role_grant` gives one.

    Raises `access.denied`, `input.username`.
    """
    _administrator(actor)
    user, password = User(username=name), password_make()
    user.set_password(password.reveal())
    save_clean(user)
    audit_record(actor=actor, verb="user.added", subject=f"user:{user.pk}", data={"name": name})
    return user, password


@transaction.atomic
def person_new_password(*, actor: Actor, user: User) -> Secret:
    """For whoever forgot theirs; every session of theirs ends. Raises `access.denied`."""
    _administrator(actor)
    password = password_make()
    user.set_password(password.reveal())
    user.save(update_fields=["password"])
    _tell(actor, "user.password_changed", user)
    return password


@transaction.atomic
def person_switch(*, actor: Actor, user: User, active: bool) -> None:
    """Off: no session and no token of theirs is good any more, and no role counts. Raises `access.denied`."""
    _administrator(actor)
    if User.objects.filter(pk=user.pk).exclude(is_active=active).update(is_active=active):
        _tell(actor, "user.switched_on" if active else "user.switched_off", user)


@transaction.atomic
def person_forget_factors(*, actor: Actor, user: User) -> int:
    """For whoever lost theirs: the password alone signs in again. Returns how many went.

    Raises `access.denied`.
    """
    _administrator(actor)
    with acting(actor):
        return int(Authenticator.objects.filter(user=user).delete()[0])


def password_make() -> Secret:
    """Four groups of four: about 79 bits, easy to read off a screen."""
    text = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    remember(text)
    return Secret(text)


def _administrator(actor: Actor) -> None:
    if isinstance(actor, str) or (actor.is_active and actor.is_superuser):
        return
    raise ForeseenError("access.denied", "Only an administrator does this.", "Ask whoever runs this machine.")


def _tell(actor: Actor, verb: str, user: User) -> None:
    audit_record(actor=actor, verb=verb, subject=f"user:{user.pk}", data={"name": user.get_username()})
