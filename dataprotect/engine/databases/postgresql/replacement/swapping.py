"""Exchange the names of two databases, in one transaction, with nobody connected to either.

A rename takes a lock that every new connection to the database needs, and only then waits for the sessions
that are in it. So nothing has to be closed beforehand: another connection of ours ends the sessions while the
rename waits, and a process that dies before the commit leaves everything as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import comparison_probe
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement import names, properties, staged, standing
from dataprotect.engine.databases.postgresql.replacement.access import oid_of, rows, run, said, standing_in
from dataprotect.engine.databases.postgresql.replacement.draining import draining, wait_for_quiet
from dataprotect.engine.databases.postgresql.replacement.standing import Seen
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import Origin, ReplaceRequest, SwapOptions, Swapped

_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = ANY(%s) ORDER BY 1"
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse, psycopg.errors.DeadlockDetected)
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What goes out of use under the name `aside`, and what comes in; either may be None, never both."""

    database: str
    aside: str
    out: int | None
    new: str
    into: int | None

    @property
    def oids(self) -> list[int]:
        return [oid for oid in (self.out, self.into) if oid is not None]

    @property
    def names(self) -> dict[str, int]:
        """What the names in question stand for afterwards."""
        pairs = ((self.database, self.into), (self.aside, self.out))
        return {name: oid for name, oid in pairs if oid is not None}


def swap_in(request: ReplaceRequest, origin: Origin, options: SwapOptions, reporter: Reporter) -> Swapped:
    """Raises what `replace.swap_in` says."""
    called = names.of(origin.database, origin.restore_id)
    with standing_in(request.target, "swapping the databases") as connection:
        seen = _require(connection, origin, "staged", "replace.not_staged")
        assert seen.staged is not None  # noqa: S101
        exchange = _Exchange(origin.database, called.kept, origin.oid, called.staged, seen.staged.oid)

        def dress() -> None:
            """As the one in use is now, not as it was when the staged one was made."""
            if origin.oid is not None:
                wanted = properties.read(connection, called.kept)
            else:
                found = properties.read(connection, called.staged)
                wanted = replace(found, comment=staged.own_comment(found.comment))
            properties.apply(connection, called.staged, wanted)

        return _Swap(request, connection, exchange, options, reporter).run(dress)


def swap_back(request: ReplaceRequest, origin: Origin, options: SwapOptions, reporter: Reporter) -> Swapped:
    """Raises what `replace.swap_back` says."""
    called = names.of(origin.database, origin.restore_id)
    with standing_in(request.target, "swapping the databases back") as connection:
        seen = _require(connection, origin, "swapped", "replace.not_swapped")
        assert seen.in_use is not None  # noqa: S101
        if seen.kept is None and origin.oid is not None:
            raise ForeseenError(
                "replace.kept_gone",
                f"{called.kept}, the database that was in use before, was dropped already.",
                "Restore it from a backup: there is nothing to swap back to.",
            )
        old = seen.kept.oid if seen.kept else None
        exchange = _Exchange(origin.database, called.undone, seen.in_use.oid, called.kept, old)

        def reopen() -> None:
            if old is not None:
                _let_in(connection, called.kept, True)

        return _Swap(request, connection, exchange, options, reporter).run(reopen)


class _Swap:
    def __init__(
        self, request: ReplaceRequest, connection: Connection, exchange: _Exchange, options: SwapOptions,
        reporter: Reporter,
    ) -> None:  # fmt: skip
        self._request, self._connection, self._exchange = request, connection, exchange
        self._options, self._reporter = options, reporter
        self._terminated, self._said = 0, ""

    def run(self, prepare: Callable[[], None]) -> Swapped:
        """`prepare` makes the new one ready inside the transaction, when the old one is out of the way."""
        exchange, options = self._exchange, self._options
        self._refuse_prepared()
        self._reporter.phase("drain")
        drained = 0.0
        if exchange.out is not None:
            drained = wait_for_quiet(self._connection, exchange.out, options.grace_seconds, self._reporter)
        self._reporter.checkpoint()
        steps.reached("replace.before_swap")
        self._reporter.phase("swap")
        for attempt in range(1, options.attempts + 1):
            lock_seconds = self._attempt(prepare)
            if lock_seconds is not None:
                steps.reached("replace.swapped")
                return Swapped(
                    at=clock.now(),
                    lock_seconds=lock_seconds,
                    drain_seconds=drained,
                    attempts=attempt,
                    terminated=self._terminated,
                    checks=self._look(),
                )
            self._reporter.note(f"Attempt {attempt} to swap found it in use: {self._said}.")
            self._reporter.checkpoint()
            time.sleep(_PAUSE * attempt)
        raise ForeseenError(
            "replace.busy",
            f"{exchange.database} could not be had alone in {options.attempts} attempts: {self._said}.",
            "Nothing was changed. End what holds it (look at pg_stat_activity and pg_locks), then try again.",
            retry=True,
        )

    def _attempt(self, prepare: Callable[[], None]) -> float | None:
        """Seconds the lock was held or waited for; None when it could not be had."""
        with draining(self._request.target, self._exchange.oids) as drain:
            try:
                return self._exchange_names(prepare)
            except _BUSY as error:
                self._said = said(error)
                return None
            finally:
                self._terminated += drain.ended

    def _exchange_names(self, prepare: Callable[[], None]) -> float:
        """Seconds from asking for the lock until the commit."""
        exchange = self._exchange
        milliseconds = int(self._options.lock_seconds * 1000)
        began = time.monotonic()
        with self._connection.transaction():
            self._connection.execute(
                sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{milliseconds}ms"))
            )
            if exchange.out is not None:
                run(self._connection, "ALTER DATABASE {} RENAME TO {}", exchange.database, exchange.aside)
                _let_in(self._connection, exchange.aside, False)
            steps.reached("replace.old_aside")
            prepare()
            if exchange.into is not None:
                run(self._connection, "ALTER DATABASE {} RENAME TO {}", exchange.new, exchange.database)
            self._refuse_others()
            steps.reached("replace.before_commit")
        return time.monotonic() - began

    def _refuse_others(self) -> None:
        """Inside the transaction: the databases are still the ones that were looked at."""
        query = "SELECT datname::text, oid::bigint FROM pg_database WHERE datname = ANY(%s)"
        exchange = self._exchange
        found = dict(rows(self._connection, query, [exchange.database, exchange.aside]))
        if found != exchange.names:
            raise ForeseenError(
                "replace.changed_meanwhile",
                f"Somebody renamed or replaced {exchange.database} meanwhile.",
                "Nothing was changed by us. Ask where the replacement stands.",
            )

    def _refuse_prepared(self) -> None:
        found = [gid for (gid,) in rows(self._connection, _PREPARED, [self._exchange.database])]
        if found:
            raise ForeseenError(
                "replace.prepared",
                f"{self._exchange.database} has prepared transactions: {', '.join(found[:5])}.",
                "Commit or roll them back, then try again; nothing was changed.",
            )

    def _look(self) -> tuple[Check, ...]:
        """By a new connection, as a client would come; with a write that is taken back."""
        name, wanted = self._exchange.database, str(self._exchange.into)
        if self._exchange.into is None:
            there = oid_of(self._connection, name) is not None
            return (Check(f"{name} after the swap", not there, "gone again", "there" if there else "gone"),)
        query = "SELECT oid::text FROM pg_database WHERE datname = current_database()"
        try:
            with standing_in(
                self._request.target, "entering the database", database=name, seconds=30
            ) as connection:
                found = rows(connection, query)[0][0]
                answers = Check(
                    f"{name} after the swap", found == wanted, f"database {wanted} answers", found
                )
                return answers, comparison_probe.write_probe(name, connection)
        except ForeseenError as error:
            return (Check(f"{name} after the swap", False, f"database {wanted} answers", error.message),)


def _require(connection: Connection, origin: Origin, place: str, code: str) -> Seen:
    seen = standing.see(connection, origin)
    found = standing.decide(origin, seen)
    if found.place != place:
        raise ForeseenError(
            code,
            f"The replacement of {origin.database} is {found.place}, not {place}: {found.because}",
            "Nothing was changed. Go on from where it stands.",
        )
    return seen


def _let_in(connection: Connection, name: str, allowed: bool) -> None:
    run(connection, f"ALTER DATABASE {{}} WITH ALLOW_CONNECTIONS {'true' if allowed else 'false'}", name)
