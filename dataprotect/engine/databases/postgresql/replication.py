"""Replication commands and their copy streams, over psycopg's libpq layer, never blocking for longer than
asked.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from types import TracebackType

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult

from dataprotect.engine.databases.postgresql.connection import foreseen, replicate
from dataprotect.engine.databases.postgresql.connection_errors import lost
from dataprotect.engine.model import Address

_PULSE = 1.0
"""Seconds between two looks at whether to go on, while the server says nothing."""


class Ended:
    """What `Replication.receive` returns when the copy stream is over."""


ENDED = Ended()


class Replication:
    """One replication connection. Every method raises ForeseenError when the server refuses or goes away.

    `pulse` is called about every second while waiting; what it raises ends the wait.
    """

    def __init__(self, address: Address, application: str, pulse: Callable[[], None] | None = None) -> None:
        self._address = address
        self._pulse = pulse or (lambda: None)
        self.warnings: list[str] = []
        self._connection = replicate(address, application=application)
        self._connection.add_notice_handler(self._notice)
        self._pgconn = self._connection.pgconn
        self._pgconn.nonblocking = 1
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)

    def __enter__(self) -> Replication:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Temporary slots and a running backup end with the connection. Safe to call twice."""
        self._connection.close()

    def send(self, command: str, doing: str) -> None:
        """Send one command; `doing` (a gerund) is for the error sentence."""
        self._doing = doing
        with foreseen(self._address, doing):
            self._pgconn.send_query(command.encode())
            self._flush()

    def result(self, tolerated: str = "") -> PGresult | None:
        """The next result of the command that was sent; None after the last.

        An error of the SQLSTATE `tolerated` is returned like any other result instead of being raised.
        """
        with foreseen(self._address, self._doing):
            while self._pgconn.is_busy():
                self._wait(_PULSE)
                self._consume()
            result = self._pgconn.get_result()
            if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
                state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
                if state.decode() != tolerated:
                    raise error_from_result(result)
            return result

    def rows(self, command: str, doing: str) -> list[list[str | None]]:
        """Send a command that answers with rows, and take them all."""
        self.send(command, doing)
        found: list[list[str | None]] = []
        while (result := self.result()) is not None:
            found.extend(table(result))
        return found

    def receive(self, timeout: float) -> memoryview | Ended | None:
        """The next message of the copy stream; None when nothing came for `timeout` seconds."""
        try:
            while True:
                message = self._buffered()
                if message is None:
                    # Without asking first whether there is anything: one call less for every message.
                    self._consume()
                    message = self._buffered()
                if message is not None or not self._wait(timeout):
                    return message
        except psycopg.Error:
            raise lost(self._address, self._doing) from None

    def _buffered(self) -> memoryview | Ended | None:
        size, data = self._pgconn.get_copy_data(1)
        if size == -1:
            return ENDED
        return data if size else None

    def reply(self, message: bytes) -> None:
        """Send a message into a two-way copy stream."""
        try:
            self._pgconn.put_copy_data(message)
            self._flush()
        except psycopg.Error:
            raise lost(self._address, self._doing) from None

    def end_copy(self) -> list[list[str | None]]:
        """After `receive` said ENDED on a two-way stream: end our side too; the rows that follow, if any.

        Raises what the server ended it with, when that was an error.
        """
        found: list[list[str | None]] = []
        while (result := self.result()) is not None:
            if result.status == pq.ExecStatus.COPY_IN:
                with foreseen(self._address, self._doing):
                    self._pgconn.put_copy_end()
                    self._flush()
            else:
                found.extend(table(result))
        return found

    def _consume(self) -> None:
        self._pgconn.consume_input()
        if self._pgconn.status != pq.ConnStatus.OK:
            raise lost(self._address, self._doing)

    def _flush(self) -> None:
        while self._pgconn.flush():
            select.select([], [self._pgconn.socket], [], _PULSE)
            self._pulse()

    def _wait(self, seconds: float) -> bool:
        ready = bool(self._poll.poll(min(seconds, _PULSE) * 1000))
        self._pulse()
        return ready

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING" and diagnostic.message_primary:
            self.warnings.append(diagnostic.message_primary)


def table(result: PGresult) -> list[list[str | None]]:
    """A result's rows as text."""
    return [
        [
            None if (value := result.get_value(row, column)) is None else value.decode()
            for column in range(result.nfields)
        ]
        for row in range(result.ntuples)
    ]
