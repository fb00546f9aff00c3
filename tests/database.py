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
from pytest_django.plugin import blocking_manager_key

_migrated = pytest.StashKey[str]()


def empties_the_database(item: pytest.Item) -> bool:
    """A transactional test cannot be rolled back, so Django empties all tables after it."""
    marker = item.get_closest_marker("django_db")
    marked = bool(marker and marker.kwargs.get("transaction"))
    return marked or bool({"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())))


def keep(config: pytest.Config, file: Path) -> None:
    """Remember the contents of the freshly migrated database; SQLite's also as a database, `file`.

    There is none when no test that was chosen uses it.
    """
    if not connection.introspection.table_names():
        return
    config.stash[_migrated] = connection.creation.serialize_db_to_string()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
        file.chmod(0o600)


def put_back(config: pytest.Config) -> None:
    """Give the database the contents it had when it was new."""
    if _migrated not in config.stash:
        return
    with config.stash[blocking_manager_key].unblock():
        # What flush made again by itself (permissions) has other keys than what is put back.
        call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
        connection.creation.deserialize_db_from_string(config.stash[_migrated])
        _count_on()


def _count_on() -> None:
    """The rows came back with their keys: PostgreSQL's sequences have to go on behind them."""
    statements = connection.ops.sequence_reset_sql(no_style(), apps.get_models())
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
