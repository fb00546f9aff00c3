"""People as tests need them: with a role that counts, and signed in just now or long ago."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.login import _AUTHENTICATION_METHODS_USER_SESSION_KEY
from django.contrib.auth.models import Group, User
from django.test import Client

from catalog.models import RoleGrant
from catalog.states import GrantDoor
from dataprotect.core import clock


def with_role(user: User, role: str) -> User:
    """`user` has `role` since last week, by another person's doing: it counts."""
    group = Group.objects.get(name=role)
    user.groups.add(group)
    RoleGrant.objects.filter(user=user, role=group, ended_at=None).update(
        door=GrantDoor.PERSON, granted_by_name="somebody-else", granted_at=clock.now() - timedelta(days=7)
    )
    return user


def prove(client: Client, user: User, *, at: datetime | None = None, **more: Any) -> Client:
    """Sign in and leave the trace of a password given at `at` (now): a step-up. `force_login` leaves none."""
    client.force_login(user)
    prove_session(client.session, user, at=at, **more)
    return client


def session_of(user: User, **proof: Any) -> str:
    """The key of a session in which the person proved who they are: for a browser's cookie."""
    return prove(Client(), user, **proof).cookies["sessionid"].value


def prove_session(session: Any, user: User, *, at: datetime | None = None, **more: Any) -> None:
    """The same for a session that is there already, such as a browser's."""
    record = {"method": "password", "at": (at or clock.now()).timestamp(), **more}
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [record]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()
