"""An application's own questions: SQL in a read-only transaction, HTTP to addresses that were allowed.

Whoever may write down a question is trusted with reading the data. What it cannot do: change anything,
be more than one statement, act as a superuser, follow a redirect, or reach an address outside the list.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Collection
from typing import IO, Any
from urllib.parse import urlsplit

import psycopg
from psycopg import pq

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen
from dataprotect.engine.databases.postgresql.replacement.access import one
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest, SmokeTest

_READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW"})
_SHOWN = 200
_BODY = 64 << 10
_PORTS = {"http": 80, "https": 443}


def ask_all(request: ReplaceRequest, database: str, *, http: bool) -> list[Check]:
    """One check per smoke test, in order. HTTP ones are asked only when `http`: they reach what is in use."""
    checks = []
    for test in request.smoke_tests:
        if test.kind == "sql":
            checks.append(_ask_sql(request, database, test))
        elif http:
            checks.append(ask_http(test, request.allowed_hosts))
        else:
            checks.append(Check(_name(test), None, _wanted(test), "asked after the swap"))
    return checks


def _ask_sql(request: ReplaceRequest, database: str, test: SmokeTest) -> Check:
    statement = test.statement.strip()
    if (statement.split(None, 1) or [""])[0].upper() not in _READING:
        return Check(_name(test), False, _wanted(test), f"not asked: only {', '.join(sorted(_READING))}")
    address = request.smoke_address or request.target.address
    try:
        with (
            connect(address, database=database, statement_timeout=test.timeout_seconds,
                    application="dataprotect smoke test", as_application=True) as connection,
            foreseen(address, "asking a smoke test"),
        ):  # fmt: skip
            found = _answer(connection, statement)
    except ForeseenError as error:
        return Check(_name(test), False, _wanted(test), error.message)
    passed = found is not None and (not test.expected or found == test.expected)
    return Check(_name(test), passed, _wanted(test), "null or no row" if found is None else found[:_SHOWN])


def _answer(connection: Connection, statement: str) -> str | None:
    """First column of the first row as the server writes it. This protocol takes one statement only."""
    connection.execute("BEGIN TRANSACTION READ ONLY")
    if one(connection, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")[0]:
        # Even read-only, a superuser's statement could write files and start programs.
        connection.execute("SET LOCAL ROLE pg_read_all_data")
    result = connection.pgconn.exec_params(statement.encode(), None)
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.SINGLE_TUPLE):
        raise psycopg.errors.error_from_result(result)
    value = result.get_value(0, 0) if result.ntuples and result.nfields else None
    connection.execute("ROLLBACK")
    return None if value is None else value.decode("utf-8", "replace")


def ask_http(test: SmokeTest, allowed: Collection[str]) -> Check:
    """A GET, straight to the address: no proxy, no redirect, no more than 64 KiB, no longer than its time."""
    try:
        parts = urlsplit(test.url)
        place = f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme)}"
    except ValueError:
        return Check(_name(test), False, _wanted(test), "not asked: the address cannot be read")
    if parts.scheme not in _PORTS or parts.username is not None or place not in allowed:
        return Check(_name(test), False, _wanted(test), f"not asked: {place} is not in the list of addresses")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with opener.open(test.url, timeout=test.timeout_seconds) as answer:
            status, body = answer.status, answer.read(_BODY).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return Check(_name(test), False, _wanted(test), f"status {error.code}")
    except (OSError, http.client.HTTPException) as error:
        return Check(_name(test), False, _wanted(test), f"no answer ({type(error).__name__})")
    held = test.expected in body
    return Check(
        _name(test), status == 200 and held, _wanted(test),
        f"status {status}" + ("" if held else ", without that text"),
    )  # fmt: skip


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """None makes the redirect an error with its own status."""


def _name(test: SmokeTest) -> str:
    return f"smoke test {test.name}"


def _wanted(test: SmokeTest) -> str:
    if test.kind == "http":
        return "status 200" + (f" with {test.expected[:_SHOWN]!r}" if test.expected else "")
    return test.expected[:_SHOWN] or "any value"
