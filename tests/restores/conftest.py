"""The installation of the catalog's tests serves here too, and a protected server with two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalog.conftest import (
    installation,
    make_instance,
    person,
    repository,
    warm_python,
)
from tests.restores import scene as scenes
from tests.restores.scene import LEDGER, SHOP, Scene
from tests.servers.postgresql import PostgresServer

__all__ = ["installation", "make_instance", "person", "repository", "warm_python"]


@pytest.fixture
def scene(transactional_db: None, postgres15: PostgresServer, tmp_path: Path) -> Iterator[Scene]:
    """`shop` and `ledger` as they are at the beginning, registered and backed up."""
    scenes.fresh(postgres15, SHOP, LEDGER)
    yield scenes.protect(postgres15, tmp_path / "cellar")
    scenes.fresh(postgres15)
