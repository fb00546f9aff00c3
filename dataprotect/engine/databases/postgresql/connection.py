"""Connections to PostgreSQL: ordinary ones, and ones that speak the replication protocol.

Whatever libpq says is turned into a sentence; its own text never travels on as a chained exception, because
it may
quote connection parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql import connection_errors
from dataprotect.engine.model import Address, Tls

OLDEST_MAJOR = 15
CONNECT_TIMEOUT = 10
Connection = psycopg.Connection[tuple[Any, ...]]


def parameters(address: Address, database: str | None = None) -> dict[str, str | int]:
    """libpq's parameters for `address`, without the password; nothing is taken from the environment's
    files.
    """
    return {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "dbname": database or address.database,
        "connect_timeout": CONNECT_TIMEOUT,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "gssencmode": "disable",
        "passfile": "/nonexistent",  # libpq warns about a device, and says nothing about no file
        "client_encoding": "UTF8",
        **_tls_parameters(address.tls),
    }


def _tls_parameters(tls: Tls) -> dict[str, str]:
    for file, what in (
        (tls.ca_file, "CA"),
        (tls.certificate_file, "client certificate"),
        (tls.key_file, "client key"),
    ):
        if file is not None and not file.is_file():
            raise InvalidInput("tls", f"The {what} file {file} is not a readable file on this worker.")
    if tls.mode == "verify-ca" and tls.ca_file is None:
        raise InvalidInput("tls", "TLS mode verify-ca needs the CA certificate file to verify against.")
    found: dict[str, str] = {"sslmode": tls.mode}
    if tls.ca_file is not None:
        found["sslrootcert"] = str(tls.ca_file)
    elif tls.mode == "verify-full":
        found["sslrootcert"] = "system"
    if tls.certificate_file is not None:
        found["sslcert"] = str(tls.certificate_file)
    if tls.key_file is not None:
        found["sslkey"] = str(tls.key_file)
    return found


def connect(
    address: Address,
    *,
    database: str | None = None,
    statement_timeout: float | None = None,
    application: str = "dataprotect",
    as_application: bool = False,
) -> Connection:
    """An autocommit connection with English messages and ISO dates.

    `statement_timeout` in seconds; None lets statements run. `as_application` leaves display settings and
    search path as the database and the role prescribe them. Raises ForeseenError, also for servers below 15.
    """
    fixed = "-c DateStyle=ISO -c IntervalStyle=iso_8601 -c search_path=pg_catalog"
    options = "" if as_application else fixed
    if statement_timeout is not None:
        options += f" -c statement_timeout={int(statement_timeout * 1000)}"
    connection = _open(address, database, application_name=application, options=options)
    return _supported(connection, address)


def replicate(address: Address, *, application: str = "dataprotect") -> Connection:
    """A physical replication connection. Use its `pgconn`: only the replication commands work on it."""
    connection = _open(address, None, application_name=application, replication="true")
    return _supported(connection, address)


def _open(address: Address, database: str | None, **extra: str) -> Connection:
    password = address.password.reveal() if address.password else None
    try:
        return psycopg.connect(autocommit=True, password=password, **parameters(address, database), **extra)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise connection_errors.explain_connect(error, address, "replication" in extra) from None


def _supported(connection: Connection, address: Address) -> Connection:
    version = connection.info.server_version
    if version < OLDEST_MAJOR * 10000:
        connection.close()
        raise ForeseenError(
            "postgresql.too_old",
            f"The server at {address.host}:{address.port} runs PostgreSQL {version // 10000}; "
            f"{OLDEST_MAJOR} or later is needed.",
            f"Upgrade the server to PostgreSQL {OLDEST_MAJOR} or later.",
        )
    return connection


@contextmanager
def foreseen(address: Address, doing: str) -> Iterator[None]:
    """Turn psycopg's errors raised inside into ForeseenErrors that say what was being done (`doing`: a
    gerund).
    """
    try:
        yield
    except psycopg.Error as error:
        raise connection_errors.explain_statement(error, address, doing) from None
