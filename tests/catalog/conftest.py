"""Installations for the tests of commands, and people for the tests of services."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from catalog.models import Instance, Repository, Tier
from catalog.models.instance import new_identifier
from tests.catalog.installation import Installation
from tests.people import with_role
from tests.warm import WarmPython


@pytest.fixture
def installation(
    home: Path, postgres_binaries: Callable[[int], Path], migrated_database: Path, warm_python: WarmPython
) -> Iterator[Installation]:
    """Migrated and empty; it knows where the programs of PostgreSQL 17 are."""
    made = Installation(
        home,
        warm_python.run,
        POSTGRESQL_BINARIES=f"17={postgres_binaries(17)}",
        QUEUE_POLL_MILLISECONDS="50",
        JOB_LEASE_SECONDS="4",
    )
    shutil.copy(migrated_database, home / "db.sqlite3")
    yield made
    shutil.rmtree(made.repository, ignore_errors=True)


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """`person("dba", "DBA")`: a user with that role; without a role a stranger."""

    def make(name: str, role: str = "", **more: bool) -> User:
        user = User.objects.create_user(name, password=None, **more)
        if role:
            with_role(user, role)
        return user

    return make


@pytest.fixture
def repository(db: None) -> Repository:
    """A row only: nothing lies at its address."""
    return Repository.objects.create(name="local", url="/srv/nowhere", repository_id="0" * 32, state="ready")


@pytest.fixture
def make_instance(repository: Repository) -> Callable[..., Instance]:
    def make(name: str = "orders", tier: str = "standard", **more: object) -> Instance:
        return Instance.objects.create(
            name=name, identifier=new_identifier(name), host="127.0.0.1", port=5432, user="backup",
            tier=Tier.objects.get(name=tier), repository=repository, **more,
        )  # fmt: skip

    return make
