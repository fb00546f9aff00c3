"""The catalog database: SQLite in the home for one machine, PostgreSQL beyond it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from dataprotect.settings.environment import refuse, text

BUSY_TIMEOUT_SECONDS = 30
_EXPECTED = "sqlite:////absolute/path or postgresql://user:password@host:port/name"


def database(home: Path) -> dict[str, Any]:
    """The `default` entry of DATABASES, from DATABASE_URL."""
    url = text("DATABASE_URL", f"sqlite:///{home / 'db.sqlite3'}")
    if urlsplit(url).scheme not in {"sqlite", "postgres", "postgresql"}:
        refuse("DATABASE_URL", _EXPECTED)
    try:
        config: dict[str, Any] = environ.Env.db_url_config(url)
    except ValueError:
        refuse("DATABASE_URL", _EXPECTED)
    if config["ENGINE"].endswith("sqlite3"):
        return _sqlite(config, home)
    return config | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


def _sqlite(config: dict[str, Any], home: Path) -> dict[str, Any]:
    """WAL lets readers go on beside one writer. IMMEDIATE takes the write lock at BEGIN, where waiting works:
    a transaction that reads first and writes later would fail at once instead of waiting for its turn.
    """
    if config["NAME"] != ":memory:":
        _make_private(Path(config["NAME"]))
    config["OPTIONS"] = config.get("OPTIONS", {}) | {
        "transaction_mode": "IMMEDIATE",
        "timeout": BUSY_TIMEOUT_SECONDS,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        " PRAGMA journal_size_limit=67108864",
    }
    # Tests use a file too: a beating job needs a second connection, and shared memory knows no busy timeout.
    config["TEST"] = {"NAME": str(home / "test.sqlite3")}
    return config


def _make_private(file: Path) -> None:
    """SQLite gives its -wal and -shm files the mode of the database, so 0600 once is 0600 for all three."""
    if not file.is_absolute():
        refuse("DATABASE_URL", _EXPECTED)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        refuse("DATABASE_URL", f"a file this user may write ({file} is not)")
