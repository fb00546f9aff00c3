"""Tying the server's clock to its log, over a connection of its own, so that an idle server stays recoverable
to "now" and the stored end of the log can be given as an instant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn, server, slots
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen
from dataprotect.engine.databases.postgresql.slots import Slot
from dataprotect.engine.logs import LogEnd
from dataprotect.engine.model import Address
from dataprotect.storage.logs import Heartbeat

_LONGEST_PAUSE = 60.0
_TIMEOUT = 10.0
# A transaction that only takes a number writes a commit record and nothing else. The clock is read after it
# ended and before the position, so everything committed by then lies before the position.
_BEAT = "SELECT pg_current_xact_id()"
_LOOK = "SELECT clock_timestamp(), pg_current_wal_insert_lsn()::text"
_ON_STANDBY = "SELECT pg_last_xact_replay_timestamp(), pg_last_wal_replay_lsn()::text"


class HeartbeatTimer:
    """A thread that beats every `seconds` until `close`. A server that does not answer delays the next beat
    and is told as `problem`; the log itself goes on without.
    """

    def __init__(
        self,
        address: Address,
        slot: str,
        seconds: float,
        on_beat: Callable[[Heartbeat, int], None],
        on_slots: Callable[[list[Slot]], None],
    ) -> None:
        self._address, self._seconds = address, seconds
        self._on_beat, self._on_slots = on_beat, on_slots
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {slot}", daemon=True)
        self.problem = ""

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Safe to call twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = self._seconds
        while not self._stop.is_set():
            try:
                with connect(
                    self._address, statement_timeout=_TIMEOUT, application="dataprotect heartbeat"
                ) as connection:
                    self._beat_on(connection)
                return
            except ForeseenError as error:
                self.problem = error.message
            except psycopg.Error:
                self.problem = "The server's connection for heartbeats was lost."
            self._stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _beat_on(self, connection: Connection) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            with foreseen(self._address, "writing a heartbeat"):
                self._beat(connection)
                self._on_slots(slots.ours(connection))
            self.problem = ""
            self._stop.wait(max(0.1, self._seconds - (time.monotonic() - began)))

    def _beat(self, connection: Connection) -> None:
        found = beat(connection)
        if found is not None:
            self._on_beat(*found)


def beat(connection: Connection) -> tuple[Heartbeat, int] | None:
    """A record in the log that changes nothing, the clock then, and the end of the log. A standby cannot
    write: there it is what was replayed last; None when nothing was.
    """
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    if row and row[0]:
        look = _ON_STANDBY
    else:
        connection.execute(_BEAT)
        look = _LOOK
    found = connection.execute(look.encode()).fetchone()
    if not found or found[0] is None or not found[1]:
        return None
    position = lsn.parse(found[1])
    return Heartbeat(found[0], lsn.text(position)), position


def log_end(address: Address) -> LogEnd:
    """Raises connection errors, `logs.nothing_replayed` for a standby that has not begun."""
    with (
        connect(address, statement_timeout=_TIMEOUT, application="dataprotect heartbeat") as connection,
        foreseen(address, "writing a heartbeat"),
    ):
        found, facts = beat(connection), server.facts(connection)
    if found is None:
        raise ForeseenError(
            "logs.nothing_replayed",
            f"The standby at {address.host}:{address.port} has replayed no transaction yet.",
            "Try again when it has.",
            retry=True,
        )
    return LogEnd(found[0].at, found[1], facts.timeline, facts.system_identifier, facts.wal_segment_size)
