"""`stage`: both versions in turn; `stage17`: one is enough for what does not depend on the version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.postgresql.replacement import stage as staging
from tests.engine.postgresql.replacement.stage import Stage


@pytest.fixture(scope="session")
def built15(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[Stage]:
    yield from staging.build(workdir / "replace15", postgres_binaries(15))


@pytest.fixture(scope="session")
def built17(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[Stage]:
    yield from staging.build(workdir / "replace17", postgres_binaries(17))


@pytest.fixture
def stage15(built15: Stage) -> Stage:
    built15.clear()
    return built15


@pytest.fixture
def stage17(built17: Stage) -> Stage:
    built17.clear()
    return built17


@pytest.fixture(params=["stage15", "stage17"])
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.getfixturevalue(request.param)
    return found
