"""One rescue: everything in one transaction of the live server, looked at before it commits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from psycopg import sql

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import fingerprint_sequences
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import (
    applying,
    beside,
    foreign_keys,
    inspecting,
    large_objects,
    sequences,
    session,
    staging,
    triggers,
    undo_record,
    verifying,
)
from dataprotect.engine.databases.postgresql.table_rescue.change import Replacing, Written
from dataprotect.engine.databases.postgresql.table_rescue.comparing import SNAPSHOT
from dataprotect.engine.databases.postgresql.table_rescue.differences import Tally
from dataprotect.engine.databases.postgresql.table_rescue.pairing import Pair
from dataprotect.engine.databases.postgresql.table_rescue.skipping import Skipped, rows_skipped
from dataprotect.engine.databases.postgresql.table_rescue.staging import Part, Streams
from dataprotect.engine.databases.postgresql.table_rescue.triggers import Handling
from dataprotect.engine.databases.postgresql.table_rescue.undo_record import KeptTable
from dataprotect.engine.model import Check
from dataprotect.engine.table_rescue_model import (
    Mode,
    RescueRequest,
    RescueResult,
    TableFacts,
    TableRescue,
)

OPERATIONS: dict[Mode, staging.Operations] = {
    "merge": {"missing": "I"},
    "rows": {"missing": "I", "changed": "U"},
    "replace": {"missing": "I", "changed": "U", "extra": "D"},
}


@dataclass(frozen=True, slots=True)
class Work:
    """What a running rescue has at hand, and what it found out. `target`: the connection that writes."""

    request: RescueRequest
    target: Connection
    streams: Streams
    reporter: Reporter
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: list[TableRescue] = field(default_factory=list)
    kept: list[KeptTable] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, total_bytes: int | None = None) -> Iterator[None]:
        self.reporter.phase(name, total_bytes)
        self.reporter.checkpoint()
        began = time.monotonic()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - began


def rescue(request: RescueRequest, reporter: Reporter) -> RescueResult:
    _check(request)
    with ExitStack() as stack:
        target = stack.enter_context(
            session.open_target(request.target, request.statement_seconds, request.lock_seconds)
        )
        doing = session.explained(request.target, f"the rescue {request.restore_id} was at work")
        with doing:
            if done := _already(target, request.restore_id):
                return done
            streams = Streams(
                stack.enter_context(session.open_source(request.source)),
                stack.enter_context(session.open_source(request.source)),
                stack.enter_context(session.open_target(request.target, request.statement_seconds)),
            )
            return _in_one_transaction(Work(request, target, streams, reporter))


def _in_one_transaction(work: Work) -> RescueResult:
    began = time.monotonic()
    with work.target.transaction():
        session.take(work.target, work.request.restore_id)
        if done := _already(work.target, work.request.restore_id):
            return done
        facts, pairs = _looked_at(work)
        undo_record.create(work.target, work.request.restore_id)
        steps.reached("table_rescue.begun")
        if work.request.mode == "beside":
            _load_beside(work, pairs, facts)
        else:
            _write_into_live(work, pairs, facts)
        verifying.require(work.checks)
        result = _result(work, time.monotonic() - began)
        undo_record.commit_rescue(work.target, work.kept, result)
        steps.reached("table_rescue.before_commit")
        work.reporter.checkpoint()
    steps.reached("table_rescue.after_commit")
    return result


def _check(request: RescueRequest) -> None:
    undo_record.check_restore_id(request.restore_id)
    if not request.tables or len(set(request.tables)) < len(request.tables):
        raise InvalidInput("tables", "Expected one or more tables, each once.")
    if (request.mode == "rows") != bool(request.rows) or set(request.rows) - set(request.tables):
        raise InvalidInput("rows", "Expected the keys of chosen rows with the mode for them, and only there.")


def _already(target: Connection, restore_id: str) -> RescueResult | None:
    record = undo_record.read(target, restore_id)
    if record is not None and record.state == "undone":
        raise ForeseenError(
            "table_rescue.undone",
            f"The rescue {restore_id} was done and undone.",
            "Ask for a new restore.",
        )
    return record.rescued if record else None


def _looked_at(work: Work) -> tuple[list[TableFacts], list[Pair]]:
    """The preflight, inside the transaction. Raises `table_rescue.impossible` with all that failed."""
    request, source = work.request, work.streams.rows
    pairs = inspecting.pairs_of(source, work.target, request.tables)
    facts = [
        inspecting.facts(source, work.target, each, request.mode, request.triggers, request.tables)
        for each in pairs
    ]
    failed = [
        f"{each.name}: {check.name}: {check.found}"
        for each in facts for check in each.checks if check.passed is False
    ]  # fmt: skip
    if failed:
        raise ForeseenError(
            "table_rescue.impossible",
            f"This rescue cannot be done: {'; '.join(failed)}.",
            "Read what stands in the way; loading the table beside needs the least.",
        )
    return facts, pairs


def _load_beside(work: Work, pairs: Sequence[Pair], facts: Sequence[TableFacts]) -> None:
    source, restore_id = work.streams.rows, work.request.restore_id
    for number, (found, fact) in enumerate(zip(pairs, facts, strict=True), 1):
        with work.phase("load", fact.source_bytes), session.interruptible(work.target, work.reporter):
            made, loaded = beside.load(source, work.target, found, restore_id, work.reporter)
        steps.reached("table_rescue.loaded")
        place = sql.Identifier(made.schema, made.table)
        created = _large_objects(work, number, sql.SQL("{} AS s").format(place), fact.large_object_columns)
        with work.phase("verify"):
            work.checks.append(beside.check(source, found, made, loaded))
        columns = tuple(each.name for each in found.source.columns) if found.source else ()
        work.kept.append(
            KeptTable(
                number, made.schema, found.name.table, columns,
                beside=made.table, rows=loaded.rows, digest=loaded.digest,
            )
        )  # fmt: skip
        work.tables.append(TableRescue(found.name, made, loaded.rows, large_objects=created))
    work.notes.append("Loaded beside: the live tables were only read.")


def _write_into_live(work: Work, pairs: Sequence[Pair], facts: Sequence[TableFacts]) -> None:
    handled = _handled(work, pairs)
    if work.request.mode == "replace":
        session.lock_against_writers(work.target, [each.both[1].plain for each in pairs])
        work.notes.append("Other sessions read on, but could not write to the tables until the rescue ended.")
    tallies, parts = _stage(work, pairs)
    with work.phase("apply"), session.interruptible(work.target, work.reporter):
        created = [
            _large_objects(work, each.part.number, _to_write(each), _written(fact, each))
            for each, fact in zip(parts, facts, strict=True)
        ]
        known = applying.known_references(work.target, parts)
        written = applying.apply(work.target, parts, known, handled)
    with work.phase("verify"), session.interruptible(work.target, work.reporter):
        for number, (found, each) in enumerate(zip(pairs, parts, strict=True)):
            skipped = _settle(work, found, each, written[number], tallies[number], handled)
            work.tables.append(_told(found, written[number], skipped, created[number]))
            _keep(work, found, each)
        work.checks.extend(foreign_keys.proof(work.target, known, applying.by_name(parts)))
        for found, each in zip(pairs, parts, strict=True):
            _sequences(work, found, each, handled)


def _handled(work: Work, pairs: Sequence[Pair]) -> Handling:
    awake = triggers.triggers(work.target, [each.both[1].oid for each in pairs])
    handled = triggers.handling(work.target, awake, work.request.triggers)
    work.notes.append(handled.sentence)
    return handled


def _stage(work: Work, pairs: Sequence[Pair]) -> tuple[list[Tally], list[Replacing]]:
    """Find what differs and bring it here; the comparison sees one instant of the live database."""
    tallies, parts = [], []
    work.streams.live.execute(SNAPSHOT)
    for number, found in enumerate(pairs, 1):
        part = Part(number, found.readings[1], found.written)
        staging.create(work.target, part)
        chosen = work.request.rows.get(found.name, ()) if work.request.mode == "rows" else None
        operations = OPERATIONS[work.request.mode]
        with work.phase("compare"):
            tally = staging.note_differences(work.streams, found, part, operations, work.reporter, chosen)
        steps.reached("table_rescue.compared")
        with work.phase("load"):
            staging.load(work.streams, work.target, found, part, work.reporter)
        steps.reached("table_rescue.staged")
        tallies.append(tally)
        old = undo_record.place(work.request.restore_id, f"old_{number}")
        parts.append(Replacing(part, old))
    work.streams.live.execute("ROLLBACK")
    return tallies, parts


def _settle(
    work: Work, found: Pair, each: Replacing, written: Written, tally: Tally, handled: Handling
) -> Skipped:
    """Look at what became of one table's rows. Raises `table_rescue.conflicts` when none may be left out."""
    waiting = staging.staged(work.target, each.part)
    skipped = rows_skipped(work.target, each, waiting.get("I", 0) - written.inserted)
    if skipped.count and work.request.conflicts == "refuse":
        raise ForeseenError(
            "table_rescue.conflicts",
            f"{skipped.count} rows of {found.name} have no place in the live table: "
            f"{' '.join(skipped.rows)} Nothing was changed.",
            "Let these rows be left out, or load the table beside.",
        )
    work.checks.append(verifying.rows_check(each, waiting, written, skipped.count))
    work.checks.append(verifying.content_check(work.target, each, found.compared, handled))
    if work.request.mode == "replace":
        expected = tally.source_rows - skipped.count
        work.checks.append(verifying.count_check(work.target, each, expected))
    if work.request.mode == "rows":
        return skipped.with_unknown(len(set(work.request.rows.get(found.name, ()))), tally)
    return skipped


def _told(found: Pair, written: Written, skipped: Skipped, created: int) -> TableRescue:
    return TableRescue(
        found.name, None, written.inserted, written.updated, written.deleted,
        skipped.count, skipped.rows, created,
    )  # fmt: skip


def _keep(work: Work, found: Pair, each: Replacing) -> None:
    undo_record.keep_done(work.target, work.request.restore_id, each)
    name = found.name
    key = tuple(column.name for column in each.part.reading.key)
    work.kept.append(KeptTable(each.part.number, name.schema, name.table, each.kept_columns, key))


def _to_write(each: Replacing) -> sql.Composed:
    return sql.SQL("{} AS s").format(each.part.stage)


def _written(fact: TableFacts, each: Replacing) -> tuple[str, ...]:
    return tuple(name for name in fact.large_object_columns if name in each.part.columns)


def _large_objects(work: Work, number: int, rows: sql.Composed, names: Sequence[str]) -> int:
    created = large_objects.restore(work.streams.rows, work.target, rows, names, work.reporter)
    undo_record.keep_large_objects(work.target, work.request.restore_id, number, created)
    return len(created)


def _sequences(work: Work, found: Pair, each: Replacing, handled: Handling) -> None:
    """Bring them forward last: a sequence does not wait for a commit, and no rollback moves it back."""
    source, target = found.both
    with session.source_lost():
        there = {one.column: one for one in sequences.feeding(work.streams.rows, source)}
        stood = fingerprint_sequences.values(work.streams.rows, there.values())
    feeding = sequences.feeding(work.target, target)
    for one in feeding:
        then = there.get(one.column)
        floor = stood[then.identity].last if then and then.identity in stood else None
        if said := sequences.bring_forward(work.target, one, floor):
            work.notes.append(said)
    work.checks.extend(sequences.checks(work.target, feeding))
    fed = [one.column[2] for one in feeding if one.column]
    work.checks.append(verifying.write_probe(work.target, each, fed, handled))


def _result(work: Work, seconds: float) -> RescueResult:
    return RescueResult(
        restore_id=work.request.restore_id,
        mode=work.request.mode,
        tables=tuple(work.tables),
        checks=tuple(work.checks),
        notes=tuple(work.notes),
        undo_schema=undo_record.schema(work.request.restore_id),
        seconds=seconds,
        timings=dict(work.timings),
    )
