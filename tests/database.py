"""What migrations write (roles, tiers) has to outlive the tests that empty every table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection
from django.test import TransactionTestCase
from pytest_django.plugin import blocking_manager_key

_migrated = pytest.StashKey[Path | str]()
"""SQLite's contents as a database of their own, other servers' as rows."""


def empties_the_database(item: pytest.Item) -> bool:
    """A transactional test cannot be rolled back, so what it leaves has to go."""
    marker = item.get_closest_marker("django_db")
    marked = bool(marker and marker.kwargs.get("transaction"))
    return marked or bool({"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())))


def keep(config: pytest.Config, file: Path) -> None:
    """Remember the contents of the freshly migrated database; SQLite's as a database, `file`.

    There is none when no test that was chosen uses it.
    """
    if not connection.introspection.table_names():
        return
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
        file.chmod(0o600)
        config.stash[_migrated] = file
    else:
        config.stash[_migrated] = connection.creation.serialize_db_to_string()
    # Django would empty the tables after each transactional test, and fill some of them again.
    TransactionTestCase._fixture_teardown = lambda _: None  # type: ignore[method-assign]


def put_back(config: pytest.Config) -> None:
    """Give the database the contents it had when it was new."""
    kept = config.stash.get(_migrated, None)
    if kept is None:
        return
    with config.stash[blocking_manager_key].unblock():
        if isinstance(kept, Path):
            forget_the_anchor()
            connection.ensure_connection()
            with closing(sqlite3.connect(kept)) as copy:
                copy.backup(connection.connection)
        else:
            # What flush made again by itself (permissions) has other keys than what is put back.
            call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
            connection.creation.deserialize_db_from_string(kept)
            _count_on()


def forget_the_anchor() -> None:
    """The chain it was the end of is gone."""
    from dataprotect.ops import home

    (home.keys() / "audit-anchor.json").unlink(missing_ok=True)


def _count_on() -> None:
    """The rows came back with their keys: PostgreSQL's sequences have to go on behind them."""
    statements = connection.ops.sequence_reset_sql(no_style(), apps.get_models())
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
