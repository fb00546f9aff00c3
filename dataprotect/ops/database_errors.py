"""What the catalog database says when it cannot be used, as a sentence with something to do."""

from __future__ import annotations

import re

from django.db.utils import DatabaseError, OperationalError

from dataprotect.core.errors import ForeseenError

_NO_TABLE = re.compile(r"no such (table|column)|(relation|column) .* does not exist")
# psycopg's and SQLite's own words for a connection that never came about
_NO_CONNECTION = re.compile(
    r"connection failed|connection is bad|failed to resolve host|unable to open database"
)


def explained(error: DatabaseError) -> ForeseenError | None:
    """None for what nobody foresaw. The text of the error is not repeated: it may name the address."""
    text = str(error)
    if _NO_TABLE.search(text):
        return ForeseenError(
            "catalog.not_migrated",
            "The catalog database has not been set up, or is of an older version.",
            "Run: manage.py migrate",
        )
    if isinstance(error, OperationalError) and _NO_CONNECTION.search(text):
        return ForeseenError(
            "catalog.unreachable",
            "The catalog database that DATABASE_URL names cannot be connected to.",
            "Check that it runs, and the address, user and password in DATABASE_URL.",
            retry=True,
        )
    return None
