"""Transactional tests empty their database, which the audit chain refuses: its triggers are lifted for it.

Loaded as a plugin by tests/conftest.py. Only Django's own flush is let through: whatever a test does by hand
meets the triggers as in production.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.database import forget_the_anchor


@pytest.fixture(scope="session", autouse=True)
def audit_chain_lets_tests_flush() -> Iterator[None]:
    from django.db.backends.base.operations import BaseDatabaseOperations

    original = BaseDatabaseOperations.execute_sql_flush

    def flush(self: BaseDatabaseOperations, sql_list: list[str]) -> Any:
        from dataprotect.ops import triggers

        triggers.drop(self.connection)
        try:
            return original(self, sql_list)
        finally:
            triggers.create(self.connection)
            forget_the_anchor()

    BaseDatabaseOperations.execute_sql_flush = flush  # type: ignore[method-assign]
    yield
    BaseDatabaseOperations.execute_sql_flush = original  # type: ignore[method-assign]
