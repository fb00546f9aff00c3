"""Other people's sessions in a database: given their grace, then ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement.access import one, rows, standing_in
from dataprotect.engine.replace_model import ReplaceTarget

# Without pg_read_all_stats the sessions of others are listed with nothing but their number: they may be at
# work, so they have the whole grace.
_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
 WHERE datid = %s AND pid <> pg_backend_pid()
   AND (backend_type IS NULL OR backend_type = 'client backend'
        AND (state IN ('active', 'fastpath function call') OR xact_start IS NOT NULL))
"""
# Autovacuum gives way to a rename by itself, and parallel workers end with their leader.
_SESSIONS = """
SELECT pid FROM pg_stat_activity WHERE datid = ANY(%s) AND pid <> pg_backend_pid()
   AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'parallel worker')
"""
_POLL = 0.1


def wait_for_quiet(connection: Connection, oid: int, seconds: float, reporter: Reporter) -> float:
    """Wait until no client is in a transaction, at most `seconds`; returns the seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds and one(connection, _AT_WORK, oid)[0]:
        reporter.checkpoint()
        time.sleep(_POLL)
    return time.monotonic() - began


def end_sessions(connection: Connection, oids: Sequence[int]) -> int:
    """Ask every session in these databases to end; returns how many. One we may not end is left."""
    ended = 0
    for (pid,) in rows(connection, _SESSIONS, list(oids)):
        with suppress(psycopg.errors.InsufficientPrivilege):
            ended += bool(one(connection, "SELECT pg_terminate_backend(%s)", pid)[0])
    return ended


class Drain:
    """Ends sessions again and again while another connection waits to rename; nobody new gets in meanwhile,
    because that one holds the lock that every new connection needs.
    """

    def __init__(self, connection: Connection, oids: Sequence[int]) -> None:
        self.ended = 0
        self._connection, self._oids = connection, oids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        self.ended += end_sessions(self._connection, self._oids)
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """Should this fail, the rename fails for the sessions that are left, and says so."""
        with suppress(psycopg.Error, ForeseenError):
            while not self._stop.wait(_POLL):
                self.ended += end_sessions(self._connection, self._oids)


@contextmanager
def draining(target: ReplaceTarget, oids: Sequence[int]) -> Iterator[Drain]:
    """By a connection of its own. The block must deal with the errors of the other one itself."""
    with standing_in(target, "swapping the databases", seconds=30) as connection:
        drain = Drain(connection, oids)
        drain.start()
        try:
            yield drain
        finally:
            drain.finish()
