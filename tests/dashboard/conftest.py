"""A signed-in client per role, on a catalog that is written once per module and rolled back after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from catalog.models import Instance
from tests.dashboard import seed

ClientOf = Callable[[str], Client]


@pytest.fixture(autouse=True)
def plain_http(settings: object) -> None:
    """Tests talk http on loopback; what TLS adds is tested with the settings."""
    settings.SECURE_SSL_REDIRECT = False  # type: ignore[attr-defined]
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def catalogue(django_db_setup: None, django_db_blocker: object) -> Iterator[dict[str, Instance]]:
    """The instances of `seed.fill`, by name; one person per role exists."""
    with django_db_blocker.unblock(), transaction.atomic():  # type: ignore[attr-defined]
        seed.one_person_per_role()
        yield seed.fill()
        transaction.set_rollback(True)


@pytest.fixture
def client_of(db: None) -> ClientOf:
    """`client_of("auditor")`: signed in as the person of that role."""

    def make(role: str) -> Client:
        client = Client()
        client.force_login(User.objects.get(username=role.lower().replace(" ", "-")))
        return client

    return make
