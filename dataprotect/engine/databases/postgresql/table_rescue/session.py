"""The connections of a table rescue: settled alike on both sides, bounded in time, ended on request."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import clone, connection, connection_errors, fingerprint_rows
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.table_rescue_model import RescueSource, RescueTarget

STATEMENT_SECONDS = 6 * 3600.0
LOCK_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_TOO_LATE = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
_SEARCH_PATH = """
SELECT substr(setting, 13) FROM pg_db_role_setting, unnest(setconfig) AS setting
WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND setting LIKE 'search_path=%'
"""
_AT_WORK = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND classid = %s::oid AND objid = %s::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
"""How the server shows the lock of `lock_number`: its upper and lower half, and 1 for a single number."""


def open_source(source: RescueSource) -> Connection:
    """An autocommit connection into the clone. Raises `table_rescue.clone_lost` when it does not answer."""
    with source_lost():
        opened = clone.connect(source.dsn, source.database)
        fingerprint_rows.prepare_session(opened, STATEMENT_SECONDS, LOCK_SECONDS)
    return opened


def open_target(
    target: RescueTarget,
    statement_seconds: float = STATEMENT_SECONDS,
    lock_seconds: float = LOCK_SECONDS,
) -> Connection:
    """An autocommit connection into the live database."""
    opened = connection.connect(
        target.address, database=target.database, application="dataprotect table rescue"
    )
    with explained(target, "the session was set up"):
        fingerprint_rows.prepare_session(opened, statement_seconds, lock_seconds)
        with contextlib.suppress(psycopg.errors.InvalidParameterValue):  # not on every system
            # A backend whose client was killed must not work on, holding its locks, until it next writes.
            opened.execute("SET client_connection_check_interval = '1s'")
    return opened


@contextmanager
def source_lost() -> Iterator[None]:
    """Errors of the clone, as one sentence."""
    try:
        yield
    except psycopg.DataError as error:
        raise InvalidInput("rows", f"A key is not of the column's type: {_said(error)}.") from None
    except psycopg.Error as error:
        raise ForeseenError(
            "table_rescue.clone_lost",
            f"The clone could not be read: {_said(error)}.",
            "Look whether the clone still runs; bring up a new one at the same instant if not.",
            retry=isinstance(error, psycopg.OperationalError),
        ) from None


@contextmanager
def explained(target: RescueTarget, doing: str) -> Iterator[None]:
    """Errors of the live server, in words. Whatever is raised here, the transaction is rolled back."""
    try:
        yield
    except _TOO_LATE as error:
        raise ForeseenError(
            "table_rescue.busy",
            f"Other sessions stood in the way while {doing}: {_said(error)}. Nothing was changed.",
            "Try again, at a quieter moment or with a longer time to wait for locks.",
            retry=True,
        ) from None
    except psycopg.errors.ForeignKeyViolation as error:
        raise refused_reference(f"{_said(error)}. {error.diag.message_detail or ''}".strip()) from None
    except (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation) as error:
        raise ForeseenError(
            "table_rescue.conflicts",
            f"The live table holds a row in the place of a restored one: {_said(error)}. "
            f"{error.diag.message_detail or ''} Nothing was changed.",
            "Look at both rows beside each other; load the table beside, or choose the rows to put back.",
        ) from None
    except psycopg.errors.IntegrityError as error:
        raise ForeseenError(
            "table_rescue.refused_by_table",
            f"The live table refuses a row while {doing}: {_said(error)}. Nothing was changed.",
            "The table's rules changed since the instant: load it beside, or relax the rule it names.",
        ) from None
    except psycopg.Error as error:
        raise connection_errors.explain_statement(error, target.address, doing) from None


def refused_reference(listed: str) -> ForeseenError:
    """Foreign keys that would not hold. `listed`: sentences."""
    return ForeseenError(
        "table_rescue.foreign_keys",
        f"Foreign keys would not hold: {listed} Nothing was changed.",
        "Rescue the tables that refer to each other together, or choose other rows.",
    )


@contextmanager
def interruptible(connection: Connection, reporter: Reporter) -> Iterator[None]:
    """Ends a long statement of `connection` when the reporter asks for it, and raises what it raised."""
    done, raised = threading.Event(), list[Exception]()

    def watch() -> None:
        while not done.wait(_LOOK_SECONDS):
            try:
                reporter.checkpoint()
            except Exception as error:  # noqa: BLE001  handed to the thread that waits
                raised.append(error)
                with contextlib.suppress(psycopg.Error):
                    connection.cancel_safe(timeout=10)
                return

    watcher = threading.Thread(target=watch, name="table-rescue-watch", daemon=True)
    watcher.start()
    try:
        yield
    except psycopg.Error:
        done.set()
        watcher.join()
        if raised:
            raise raised[0] from None
        raise
    finally:
        done.set()
        watcher.join()
    if raised:
        raise raised[0]


def lock_number(restore_id: str) -> int:
    """The advisory lock that only one session at a time holds for this rescue."""
    digest = hashlib.sha256(f"dataprotect table rescue {restore_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def take(connection: Connection, restore_id: str) -> None:
    """Be the only one at work on this rescue until the transaction ends. Raises `table_rescue.busy`."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_number(restore_id)]).fetchone()
    if not row or not row[0]:
        raise ForeseenError(
            "table_rescue.busy",
            f"Another session is at work on the rescue {restore_id} at this moment.",
            "Wait until it has ended, then ask how it stands.",
            retry=True,
        )


def at_work(connection: Connection, restore_id: str) -> bool:
    """Whether a session is at work on it. Takes no lock: asking never stands in the way of working."""
    high, low = divmod(lock_number(restore_id) % (1 << 64), 1 << 32)
    row = connection.execute(_AT_WORK.encode(), [high, low]).fetchone()
    return bool(row and row[0])


@contextmanager
def as_application(connection: Connection) -> Iterator[None]:
    """The database's own search_path inside: its triggers, checks and defaults were written for that one.

    Everything we name ourselves is qualified. Not restored after an error: the transaction is gone then.
    """
    row = connection.execute(_SEARCH_PATH.encode()).fetchone()
    path = row[0] if row else '"$user", public'
    connection.execute("SELECT set_config('search_path', %s, true)", [path])
    yield
    connection.execute("SET LOCAL search_path = pg_catalog")


def lock_against_writers(connection: Connection, tables: Sequence[sql.Identifier]) -> None:
    """Nobody else writes to them until the transaction ends; everybody reads on."""
    if tables:
        names = sql.SQL(", ").join(tables)
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(names))


def _said(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split()).rstrip(".")[:300]
