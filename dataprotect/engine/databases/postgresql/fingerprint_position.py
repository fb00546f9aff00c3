"""One position of the log, and one snapshot per database right before it.

A clone can only be brought to one position, and snapshots cannot be shared between databases. So in every
database a transaction is opened first; then the snapshots are taken back to back, and only then the position
is read. What a snapshot sees has committed before the position. What it does not see but has committed before
it is the blind spot: usually nothing, because a quiet instant is looked for. Which transactions these are,
only the clone can tell (`drift`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.connection import Connection

_BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SEEN = "SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text"
_MISSED = """
SELECT count(*) FROM (
    SELECT pg_snapshot_xip(s::pg_snapshot)::text AS x FROM unnest(%s::text[]) AS s
    UNION
    SELECT x::text FROM generate_series(%s::bigint, least(%s::bigint + 100000,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)) AS x
) missed WHERE pg_xact_status(x::xid8) = 'committed'
"""
FLUSH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Moment:
    """`snapshots` by database; every one of them was taken before `position` was read."""

    position: str
    snapshots: Mapping[str, str]
    attempts: int


def take(
    databases: Mapping[str, Connection], steady: Connection, attempts: int, reporter: Reporter
) -> Moment:
    """Open one REPEATABLE READ transaction per database, and leave them open on their snapshots.

    `steady` is an autocommit connection of its own. Stops at the first try whose blind spot is empty, as far
    as the source can tell, and after `attempts` tries in any case.
    """
    for attempt in range(1, attempts + 1):
        reporter.checkpoint()
        for connection in databases.values():
            connection.execute("ROLLBACK")
            connection.execute(_BEGIN)
        moment = _snapshots(databases, steady, attempt)
        if _missed(steady, moment) == 0:
            break
    return moment


def lie_beyond(steady: Connection) -> tuple[int, int]:
    """Write a heartbeat; returns a position at or behind its end, and its id. Then `wait_flushed` for it.

    A server that recovers to a position needs a record beyond it to know that it is there.
    """
    heartbeat = steady.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    row = steady.execute(
        "SELECT pg_current_wal_insert_lsn()::text, current_setting('wal_block_size')::int, "
        "pg_size_bytes(current_setting('wal_segment_size'))"
    ).fetchone()
    assert row is not None and heartbeat is not None  # noqa: S101
    return lsn.record_end(lsn.parse(row[0]), row[1], row[2]), int(heartbeat[0])


def wait_flushed(steady: Connection, end: int, reporter: Reporter) -> None:
    """Return when the log is on disk up to `end`. Nobody waits for a heartbeat's commit, so the server writes
    it when its WAL writer comes round: there is time to do something else first.
    """
    deadline = time.monotonic() + FLUSH_SECONDS
    while _flushed(steady) < end:
        reporter.checkpoint()
        if time.monotonic() > deadline:
            raise ForeseenError(
                "fingerprint.not_flushed",
                f"The server did not write its log to disk up to {lsn.text(end)} within {FLUSH_SECONDS:g} s.",
                "Look at the server's disk and its WAL writer, then run the backup again.",
                retry=True,
            )
        time.sleep(0.02)


def _snapshots(databases: Mapping[str, Connection], steady: Connection, attempt: int) -> Moment:
    snapshots: dict[str, str] = {}
    for name, connection in databases.items():
        row = connection.execute(_SEEN).fetchone()
        assert row is not None  # noqa: S101
        snapshots[name] = row[0]
    steps.reached("fingerprint.snapshots_taken")
    position = steady.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    assert position is not None  # noqa: S101
    return Moment(position[0], snapshots, attempt)


def _missed(steady: Connection, moment: Moment) -> int:
    """How many transactions unseen by the snapshots have committed by now (a little after the position)."""
    if not moment.snapshots:
        return 0
    texts = list(moment.snapshots.values())
    lowest = min(int(each.split(":")[1]) for each in texts)
    row = steady.execute(_MISSED, (texts, lowest, lowest)).fetchone()
    assert row is not None  # noqa: S101
    return int(row[0])


def _flushed(steady: Connection) -> int:
    row = steady.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row is not None  # noqa: S101
    return lsn.parse(row[0])
