"""Explained drift: what the transactions did that a snapshot of the source did not see and the clone has.

They were in progress when the snapshot was taken and committed before the position that the clone was
recovered to. Which ones these are, the clone's own commit log says; what they changed, row by row, the
log stored with the backup. Nothing else may differ between source and clone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.stored_log import StoredLog

_UNSEEN = """
SELECT x::text::bigint FROM (
    SELECT pg_snapshot_xip(%(snapshot)s::pg_snapshot)::text AS x
    UNION
    SELECT n::text FROM generate_series(
        pg_snapshot_xmax(%(snapshot)s::pg_snapshot)::text::bigint, %(next)s::bigint - 1) AS n
) candidates
WHERE CASE WHEN x::bigint < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    THEN pg_xact_status(x::xid8) = 'committed' END
ORDER BY 1
"""
_MOST = 5_000_000
_RECORD = re.compile(r"rmgr: (\w+) +len .*? tx: +(\d+), lsn: [0-9A-F/]+, prev [0-9A-F/]+, desc: (\S+)(.*)")
_RELATION = re.compile(r"blkref #0: rel \d+/(\d+)/(\d+)")
_TUPLES = re.compile(r"(?:ntuples: )?(\d+)")
_SUBTRANSACTIONS = re.compile(r"subxacts: ([\d ]+)")
_PREPARED = re.compile(r" *(\d+)")
Place = tuple[int, int]
"""Database oid (0: shared by all) and relfilenode."""


@dataclass(slots=True)
class Changes:
    """Rows of one table file that drifting transactions inserted, deleted and updated."""

    inserted: int = 0
    deleted: int = 0
    updated: int = 0

    @property
    def net(self) -> int:
        return self.inserted - self.deleted


@dataclass(frozen=True, slots=True)
class Drift:
    """`transactions`: 32-bit ids of all that drift, subtransactions included. Empty: none, and none
    permitted.
    """

    transactions: frozenset[int] = frozenset()
    changes: Mapping[Place, Changes] = field(default_factory=dict)

    def of(self, database: int, filenode: int) -> Changes:
        return self.changes.get((database, filenode), Changes())

    def __bool__(self) -> bool:
        return bool(self.transactions)


def unseen(connection: Connection, snapshot: str, next_transaction: int) -> list[int]:
    """Transactions before `next_transaction` that `snapshot` (of the source) does not see and the clone calls
    committed. The clone's own may be among them; `explain` keeps those whose commit is in the stored log.
    """
    highest = int(snapshot.split(":")[1])
    if next_transaction - highest > _MOST:
        raise ForeseenError(
            "verify.too_much_drift",
            f"{next_transaction - highest} transactions began between the fingerprint's snapshot and "
            f"its position.",
            "Take a new backup; if it repeats, the connection to the source is far too slow for a "
            "fingerprint.",
        )
    found = connection.execute(_UNSEEN.encode(), {"snapshot": snapshot, "next": next_transaction}).fetchall()
    return [int(row[0]) for row in found]


def explain(log: StoredLog, transactions: list[int], reporter: Reporter) -> Drift:
    """What these transactions changed, read from the stored log with the server's own pg_waldump."""
    if not transactions:
        return Drift()
    reader = _Reader({transaction & 0xFFFFFFFF for transaction in transactions})
    log.dump(("Transaction",), reader.commit, reporter)
    if not reader.wanted:
        return Drift()
    log.dump(("Heap", "Heap2"), reader.change, reporter)
    return Drift(frozenset(reader.wanted), reader.changes)


class _Reader:
    def __init__(self, candidates: set[int]) -> None:
        self.candidates = candidates
        self.wanted: set[int] = set()
        self.changes: dict[Place, Changes] = {}

    def commit(self, line: str) -> None:
        """A candidate really committed here: take it, and its subtransactions, whose ids rows carry."""
        found = _RECORD.match(line)
        if found is None or not found[3].startswith("COMMIT"):
            return
        # A prepared transaction is committed by somebody else's record, which names it.
        prepared = _PREPARED.match(found[4]) if found[3] == "COMMIT_PREPARED" else None
        transaction = int(prepared[1] if prepared else found[2])
        if transaction in self.candidates:
            self.wanted.add(transaction)
            if children := _SUBTRANSACTIONS.search(found[4]):
                self.wanted.update(int(child) for child in children[1].split())

    def change(self, line: str) -> None:
        found = _RECORD.match(line)
        if found is None or int(found[2]) not in self.wanted:
            return
        relation = _RELATION.search(found[4])
        if relation is None:
            return
        place = int(relation[1]), int(relation[2])
        self._count(self.changes.setdefault(place, Changes()), found[3].partition("+")[0], found[4])

    @staticmethod
    def _count(changes: Changes, operation: str, rest: str) -> None:
        if operation == "INSERT":
            changes.inserted += 1
        elif operation == "MULTI_INSERT":
            tuples = _TUPLES.search(rest)
            changes.inserted += int(tuples[1]) if tuples else 0
        elif operation == "DELETE":
            changes.deleted += 1
        elif operation in ("UPDATE", "HOT_UPDATE"):
            changes.updated += 1
