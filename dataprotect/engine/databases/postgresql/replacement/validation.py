"""Compare the staged database with the clone's and with the one in use, then try it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import (
    comparison_probe,
    comparison_rows,
    comparison_sequences,
    fingerprint_rows,
)
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.drift import Drift
from dataprotect.engine.databases.postgresql.replacement import (
    content,
    definitions,
    names,
    programs,
    properties,
    smoke,
    staged,
)
from dataprotect.engine.databases.postgresql.replacement.access import (
    in_clone,
    oid_of,
    said,
    standing_in,
)
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest


def validate(request: ReplaceRequest, reporter: Reporter) -> Iterator[Check]:
    """All checks, in order; everything that only reads comes before the write probe."""
    reporter.phase("validate")
    database = request.target.database
    name = names.of(database, request.restore_id).staged
    with standing_in(request.target, "looking at the staged database") as beside:
        there = _complete(beside, name, request.restore_id)
        yield there
        if not there.passed:
            return
        with in_clone(request.dsn, database) as source:
            yield _carried(beside, source, database, name)
            yield from _definitions(request, source, name, reporter)
    expected = content.read(request.dsn, database, reporter)
    with standing_in(request.target, "comparing the staged database", database=name) as found:
        fingerprint_rows.prepare_session(found, content.HOURS, content.LOCK_SECONDS)
        yield from comparison_rows.checks(expected, found, Drift(), reporter)
        yield from comparison_sequences.checks(expected, found)
        with in_clone(request.dsn, database) as source:
            yield _large_objects(database, source, found)
        reporter.checkpoint()
        yield comparison_probe.write_probe(name, found)
    yield from smoke.ask_all(request, name, http=False)


def _complete(connection: Connection, name: str, restore_id: str) -> Check:
    wanted = staged.note(restore_id, complete=True)
    if oid_of(connection, name) is None:
        return Check("staged database", False, wanted, f"there is no database {name}")
    comment = staged.comment_of(connection, name)
    text = (comment or "no note on it").partition("\n")[0]
    return Check("staged database", staged.is_complete(comment, restore_id), wanted, text)


def _carried(connection: Connection, source: Connection, database: str, name: str) -> Check:
    """The connection limit is set in the swap; the tablespace cannot be changed without moving every file."""
    in_use = oid_of(connection, database) is not None
    wanted = properties.read(connection if in_use else source, database)
    problems = properties.differences(wanted, properties.read(connection, name), but=("connection_limit",))
    whose = "the database in use" if in_use else "the clone's database"
    parts = f"{len(wanted.privileges)} privileges, {len(wanted.settings)} settings, owner {wanted.owner}"
    return Check(
        f"owner, privileges and settings of {database}", not problems, f"{parts}, as of {whose}",
        "; ".join(problems) or "the same",
    )  # fmt: skip


def _definitions(
    request: ReplaceRequest, source: Connection, name: str, reporter: Reporter
) -> Iterator[Check]:
    database, address = request.target.database, request.target.address
    with standing_in(request.target, "reading the definitions", database=name) as target:
        majors = [each.info.server_version // 10000 for each in (source, target)]
        fingerprint_rows.prepare_session(target, content.HOURS, content.LOCK_SECONDS)
        same = majors[0] == majors[1]
        yield definitions.catalogued(database, source, target, same)
    with programs.at_work(request, programs.find(request, *majors)) as at_work:
        clones = programs.of_clone(request.dsn, database)
        staged_one = programs.of_target(address, name, at_work)
        yield definitions.dumped(database, clones, staged_one, at_work, reporter, same)


def _large_objects(database: str, source: Connection, found: Connection) -> Check:
    name = f"large objects of {database}, by content"
    try:
        expected, there = content.large_objects(source), content.large_objects(found)
    except psycopg.errors.InsufficientPrivilege as error:
        return Check(name, None, "the same content", f"not compared: {said(error)}")
    wrong = sorted(
        number for number in expected.keys() | there.keys() if expected.get(number) != there.get(number)
    )
    shown = f"{len(wrong)} differ, such as {', '.join(map(str, wrong[:10]))}" if wrong else "the same"
    return Check(name, not wrong if expected or there else None, f"{len(expected)} sampled", shown)
