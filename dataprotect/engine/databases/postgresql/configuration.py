"""Configuration files kept outside the data directory (Debian's /etc/postgresql), stored under `config/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psycopg

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.intake import Intake

_MAIN = """
SELECT name, setting FROM pg_settings
 WHERE name IN ('config_file', 'hba_file', 'ident_file', 'data_directory') AND setting <> ''
"""
_INCLUDED = "SELECT DISTINCT sourcefile FROM pg_file_settings WHERE sourcefile IS NOT NULL"
_LARGEST = 4 << 20


def store(connection: Connection, intake: Intake, local: bool) -> None:
    """Store every file that lies elsewhere; what cannot be read is a warning, never a failure."""
    for path in sorted(set(_outside(connection, local))):
        data = _local(path) if local else _remote(connection, path)
        if data is None:
            intake.warnings.append(
                f"The configuration file {path} could not be read and is not in the backup."
            )
        else:
            intake.content(f"config{path}", data)


def _outside(connection: Connection, local: bool) -> Iterator[str]:
    found = {str(name): str(setting) for name, setting in connection.execute(_MAIN)}
    directory = found.pop("data_directory", None)
    if directory is None:
        return  # this user may not see where things are
    for path in [*found.values(), *_included(connection)]:
        real = str(Path(path).resolve()) if local else path
        if PurePosixPath(directory) not in PurePosixPath(real).parents and PurePosixPath(path).is_absolute():
            yield path


def _included(connection: Connection) -> list[str]:
    try:
        return [str(row[0]) for row in connection.execute(_INCLUDED)]
    except psycopg.errors.InsufficientPrivilege:
        return []


def _local(path: str) -> bytes | None:
    try:
        with Path(path).open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return None


def _remote(connection: Connection, path: str) -> bytes | None:
    try:
        row = connection.execute("SELECT pg_read_binary_file(%s, 0, %s, true)", (path, _LARGEST)).fetchone()
    except psycopg.Error:
        return None
    return bytes(row[0]) if row and row[0] is not None else None
