"""Put back what a rescue changed: the same machinery, fed from the undo record instead of from a clone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import sql

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import (
    applying,
    beside,
    catalog,
    foreign_keys,
    large_objects,
    session,
    staging,
    triggers,
    undo_record,
    undo_staging,
    verifying,
)
from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described, one
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing
from dataprotect.engine.databases.postgresql.table_rescue.pairing import keyed
from dataprotect.engine.databases.postgresql.table_rescue.reading import Reading
from dataprotect.engine.databases.postgresql.table_rescue.staging import Part
from dataprotect.engine.databases.postgresql.table_rescue.undo_record import KeptTable, Record
from dataprotect.engine.databases.postgresql.table_rescue.undo_staging import Left
from dataprotect.engine.model import Check
from dataprotect.engine.table_rescue_model import TableName, UndoneTable, UndoRequest, UndoResult


@dataclass(frozen=True, slots=True)
class Work:
    request: UndoRequest
    target: Connection
    reporter: Reporter
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: list[UndoneTable] = field(default_factory=list)


def undo(request: UndoRequest, reporter: Reporter) -> UndoResult:
    undo_record.check_restore_id(request.restore_id)
    opened = session.open_target(request.target, request.statement_seconds, request.lock_seconds)
    doing = session.explained(request.target, f"the rescue {request.restore_id} was undone")
    with opened, doing, opened.transaction():
        session.take(opened, request.restore_id)
        record = undo_record.read(opened, request.restore_id)
        if record is None:
            raise ForeseenError(
                "table_rescue.unknown",
                f"The live database knows no rescue {request.restore_id}.",
                "It was never committed, or its undo record was dropped after its deadline.",
            )
        if record.undone is not None:
            return record.undone
        result = _undone(Work(request, opened, reporter), record)
        undo_record.commit_undo(opened, result)
        steps.reached("table_rescue.undo.before_commit")
        reporter.checkpoint()
    steps.reached("table_rescue.undo.after_commit")
    return result


def _undone(work: Work, record: Record) -> UndoResult:
    began = time.monotonic()
    work.reporter.phase("undo")
    work.reporter.checkpoint()
    with session.interruptible(work.target, work.reporter):
        if record.rescued.mode == "beside":
            for kept in record.tables:
                _drop_beside(work, kept)
        else:
            _put_back(work, record.tables)
    verifying.require(work.checks)
    return UndoResult(
        work.request.restore_id, tuple(work.tables), tuple(work.checks), tuple(work.notes),
        time.monotonic() - began,
    )  # fmt: skip


def _put_back(work: Work, kept: Sequence[KeptTable]) -> None:
    parts = [_part(work, each) for each in kept]
    unkeyed = [each.part.table.plain for each in parts if not each.part.reading.key]
    session.lock_against_writers(work.target, unkeyed)
    left = [_staged(work, each) for each in parts]
    _refuse_changed(work, [(each.part.table.name, found) for each, found in zip(parts, left, strict=True)])
    steps.reached("table_rescue.undo.staged")
    awake = triggers.triggers(work.target, [each.part.table.oid for each in parts])
    handled = triggers.handling(work.target, awake, work.request.triggers)
    if handled.method == "impossible":
        raise ForeseenError(
            "table_rescue.impossible", handled.sentence, "Use a user with this right, or let triggers fire."
        )
    known = applying.known_references(work.target, parts)
    written = applying.apply(work.target, parts, known, handled)
    for each, found, done in zip(parts, left, written, strict=True):
        waiting = staging.staged(work.target, each.part)
        work.checks.append(verifying.rows_check(each, waiting, done, 0))
        digested = each.part.reading.digested
        work.checks.append(verifying.content_check(work.target, each, digested, handled))
        gone, kept_objects = _drop_large_objects(work, each.part.number)
        work.tables.append(
            UndoneTable(
                each.part.table.name, done.deleted, done.updated, done.inserted,
                found.count + kept_objects, found.rows, gone,
            )
        )  # fmt: skip
    work.checks.extend(foreign_keys.proof(work.target, known, applying.by_name(parts)))
    work.notes.extend((handled.sentence, "Sequences stay where they are: they never go backwards."))


def _part(work: Work, kept: KeptTable) -> Replacing:
    table = _table(work, TableName(kept.schema, kept.table))
    lacking = [name for name in kept.columns if table.column(name) is None]
    index = next((each for each in table.keys if set(each.columns) == set(kept.key)), None)
    if lacking or (kept.key and index is None):
        what = f"the columns {', '.join(lacking)}" if lacking else f"its key {', '.join(kept.key)}"
        raise ForeseenError(
            "table_rescue.impossible",
            f"{table.name} has lost {what} since the rescue, so its rows cannot be put back.",
            f"The rows are in the schema {undo_record.schema(work.request.restore_id)}: use them by hand.",
        )
    reading = Reading(table, keyed(table, index, kept.key), kept.columns)
    old = sql.Identifier("pg_temp", f"dataprotect_old_{kept.number}")
    return Replacing(Part(kept.number, reading, kept.columns), old)


def _table(work: Work, name: TableName) -> Described:
    table = catalog.describe(work.target, name)
    if table is None or not table.is_table:
        raise ForeseenError(
            "table_rescue.impossible",
            f"{name} is no longer there, so nothing can be put back into it.",
            f"The rows are in the schema {undo_record.schema(work.request.restore_id)}: use them by hand.",
        )
    return table


def _staged(work: Work, each: Replacing) -> Left:
    staging.create(work.target, each.part)
    return undo_staging.stage(work.target, work.request.restore_id, each.part)


def _refuse_changed(work: Work, found: Sequence[tuple[TableName, Left]]) -> None:
    if work.request.changed == "refuse" and any(left.count for _, left in found):
        listed = "; ".join(
            f"{name}: {left.count} ({' '.join(left.rows)})" for name, left in found if left.count
        )
        raise ForeseenError(
            "table_rescue.changed_since",
            f"Rows of the rescue were written again since: {listed}. Nothing was changed.",
            "Let these rows stay as they are and undo the others, or settle them by hand.",
        )


def _drop_beside(work: Work, kept: KeptTable) -> None:
    name = TableName(kept.schema, kept.table)
    made = catalog.describe(work.target, TableName(kept.schema, kept.beside))
    if made is None:
        work.notes.append(f"{kept.schema}.{kept.beside} was already gone.")
        work.tables.append(UndoneTable(name))
        return
    work.target.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(made.plain))
    same = all(made.column(each) for each in kept.columns)
    if same:
        now = beside.content_of(work.target, made.plain, list(kept.columns))
        same = (now.rows, now.digest) == (kept.rows, kept.digest)
    left = Left(0, ()) if same else Left(1, (f"{made.name} was written to since it was loaded.",))
    _refuse_changed(work, [(name, left)])
    if same:
        work.target.execute(sql.SQL("DROP TABLE {}").format(made.plain))
    gone, _ = _drop_large_objects(work, kept.number) if same else (0, 0)
    work.tables.append(UndoneTable(name, kept.rows if same else 0, 0, 0, left.count, left.rows, gone))


def _drop_large_objects(work: Work, number: int) -> tuple[int, int]:
    """Those the rescue created, unless somebody wrote to them since: how many went and how many stay."""
    rows = work.target.execute(
        sql.SQL("SELECT object::bigint, digest FROM {} WHERE number = %s ORDER BY object").format(
            undo_record.place(work.request.restore_id, "large_objects")
        ),
        [number],
    ).fetchall()
    gone = stay = 0
    for oid, digest in rows:
        there = one(work.target, b"SELECT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = %s)", oid)[
            0
        ]
        if there and large_objects.digest(work.target, oid) == digest:
            work.target.execute("SELECT lo_unlink(%s::oid)", [oid])
            gone += 1
        else:
            stay += 1
    if stay:
        work.notes.append(f"{stay} large objects were changed or removed since and were left as they are.")
    return gone, stay
