"""Is this installation able to do its work right now? Every answer is a sentence."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from dataprotect.ops.selectors import queue_health

_migrated = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problem` is empty when all is well; it never holds an address, for those carry passwords."""

    name: str
    problem: str

    @property
    def ok(self) -> bool:
        return not self.problem


def readiness() -> list[Readiness]:
    """Database, migrations, broker, workers, home; what rests on a database that is down is not asked."""
    first = Readiness("database", _database())
    if not first.ok:
        waiting = [
            Readiness(name, "not asked: the database does not answer") for name in ("migrations", "workers")
        ]
        return [first, *waiting, Readiness("broker", _broker()), Readiness("home", _home())]
    asked: dict[str, Callable[[], str]] = {
        "migrations": _migrations,
        "broker": _broker,
        "workers": _workers,
        "home": _home,
    }
    return [first, *(Readiness(name, ask()) for name, ask in asked.items())]


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"the catalog database does not answer ({type(error).__name__})"
    return ""


def _migrations() -> str:
    """Once they are all applied they stay so for the life of this process."""
    global _migrated
    if _migrated:
        return ""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return f"{len(missing)} migrations are not applied; run manage.py migrate"
    _migrated = True
    return ""


def _broker() -> str:
    from django_q.brokers import get_broker

    try:
        answered = get_broker().ping()
    except Exception as error:  # noqa: BLE001  each broker has its own errors
        return f"the queue's broker does not answer ({type(error).__name__})"
    return "" if answered else "the queue's broker does not answer"


def _workers() -> str:
    try:
        health = queue_health()
    except DatabaseError as error:
        return f"the workers' rows cannot be read ({type(error).__name__})"
    if health.alive:
        return ""
    return "no worker came through the queue within three minutes; start manage.py qcluster"


def _home() -> str:
    """By writing: a full or read-only disk says yes to everything else."""
    try:
        handle, name = tempfile.mkstemp(prefix=".ready-", dir=settings.DATAPROTECT_HOME)
        try:
            os.write(handle, b"ready")
        finally:
            os.close(handle)
            os.unlink(name)  # noqa: PTH108  a plain name from mkstemp
    except OSError as error:
        return f"the home folder cannot be written ({error.strerror})"
    return ""
