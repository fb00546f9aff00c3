from __future__ import annotations

import pytest

from dataprotect.storage.repository import Repository
from tests.storage.trees import make_repository


@pytest.fixture
def repository(tmp_path) -> Repository:
    """A fresh claimed repository, open for writing; `trees.open_repository(tmp_path)` opens it again."""
    return make_repository(tmp_path)
