"""Starting the server of the directory that is in place, and waiting until this very one answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import local_access, server
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen
from dataprotect.engine.databases.postgresql.full_system import (
    hooks,
    machine_files,
    place,
    running,
    standing,
)
from dataprotect.engine.full_system_model import FullSystemRequest, Origin, Started
from dataprotect.engine.model import Address

_POLL_SECONDS = 0.2
_GONE_SECONDS = 10.0
"""A service manager may start a server again that ended; after this long none does."""
_HALF = ("exchanging", "taking back", "unclear")
_CLOSED = frozenset(
    f"connection.{why}"
    for why in (
        "password", "password_missing", "refused_by_rules", "no_login", "user_missing", "database_missing",
        "tls", "tls_host", "tls_untrusted", "tls_unsupported", "tls_client_file",
    )
)  # fmt: skip
"""Waiting does not help against these."""


def start(request: FullSystemRequest, origin: Origin, reporter: Reporter) -> Started:
    began = time.monotonic()
    found = standing.look(request, origin)
    if found.place in _HALF:
        raise ForeseenError(
            "full_system.half_exchanged", f"Nothing is started: {found.because}",
            "Finish the exchange or take it back first.",
        )  # fmt: skip
    data, note, by_hook = origin.data_directory, "", not found.running
    reporter.phase("start")
    if by_hook:
        running.forget_lock(data)
        steps.reached("full_system.before_start")
        wanted = request.target.hooks
        note = hooks.run(wanted, wanted.start, wanted.start_seconds)
    steps.reached("full_system.started")
    reporter.phase("recovery")
    _wait(request, data, note, reporter)
    if found.place == "exchanged":
        owner = place.account(origin.owner)
        if not machine_files.forget_recovery(data, request.restore_id, owner):
            reporter.note(
                "How it recovered is still in postgresql.auto.conf; take it out with ALTER SYSTEM RESET."
            )
    steps.reached("full_system.answering")
    return Started(clock.now(), time.monotonic() - began, by_hook, note)


@contextmanager
def entered(address: Address, doing: str, database: str | None = None) -> Iterator[Connection]:
    """A connection whose errors become sentences."""
    with connect(address, database=database, statement_timeout=60) as found, foreseen(address, doing):
        yield found


def answers(address: Address, data: Path) -> bool:
    """Whether the server of this very directory answers and does not recover. Raises ForeseenError."""
    with entered(address, "looking whether it answers") as connection:
        facts = server.facts(connection)
    access = local_access.look(data, facts)
    if access.directory is None:
        raise ForeseenError(
            "full_system.another_server", f"Another server answers: {access.reason}",
            "Stop what listens there, or correct the address.",
        )  # fmt: skip
    return not facts.in_recovery


def _wait(request: FullSystemRequest, data: Path, note: str, reporter: Reporter) -> None:
    began = alive = time.monotonic()
    patience = _GONE_SECONDS if note else request.target.hooks.start_seconds
    while True:
        reporter.checkpoint()
        try:
            if answers(request.target.address, data):
                return
            said = "It is still recovering."
        except ForeseenError as error:
            if error.code in _CLOSED and running.server_in(data) is not None:
                raise _closed(data, error) from None
            said = error.message
        now = time.monotonic()
        if running.server_in(data) is not None:
            alive, patience = now, _GONE_SECONDS
        if now - alive > patience:
            raise _dead(data, note, said)
        if now - began > request.recovery_seconds:
            raise _late(data, request.recovery_seconds, said)
        time.sleep(_POLL_SECONDS)


def _dead(data: Path, note: str, said: str) -> ForeseenError:
    return ForeseenError(
        "full_system.not_started",
        f"No server runs in {data} after the start hook. {note or 'The hook claims success.'} {said}",
        "Read the server's own log. Start it again, or take the restore back.",
    )


def _late(data: Path, seconds: float, said: str) -> ForeseenError:
    return ForeseenError(
        "full_system.not_ready",
        f"The server in {data} runs and was not ready after {seconds:.0f} s. {said}",
        "It goes on by itself: read its log, and look again, or take the restore back.",
    )


def _closed(data: Path, error: ForeseenError) -> ForeseenError:
    return ForeseenError(
        "full_system.closed",
        f"The server in {data} runs and does not let us in: {error.message}",
        "Roles and passwords are those of the backup: correct this account's, and look again.",
    )
