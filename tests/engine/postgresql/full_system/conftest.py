from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.postgresql.full_system.stage import Stage, build


@pytest.fixture(scope="session")
def whole(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[Stage]:
    """One server that may be restored whole, for all tests of a worker."""
    yield from build(workdir / "whole", postgres_binaries(17))
