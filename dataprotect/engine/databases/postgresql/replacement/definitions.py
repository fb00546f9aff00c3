"""Definitions of the clone's database and of the staged one, object by object, read in two ways.

By pg_dump, which names every object and leaves out what a dump does (numbers, gaps of dropped
columns); and by the fingerprint's catalog queries, so that what pg_dump forgot on both sides is seen as well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.command import CommandFailed
from dataprotect.engine.databases.postgresql import comparison_schema, fingerprint_schema
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_model import Lines
from dataprotect.engine.databases.postgresql.replacement.programs import Programs
from dataprotect.engine.model import Check

_HEADER = re.compile(r"-- Name: (.*); Type: (.*?); Schema: (.*?); Owner: (.*)")
_NOISE = re.compile(r"(\\(un)?restrict |SET |SELECT pg_catalog\.set_config|--)")
_SAID = 600
_STABLE = ("constraints", "indexes", "triggers", "rules", "policies", "sequences", "extended statistics")
"""Categories of the fingerprint that name objects by name only, and that no extension fills."""


def dumped(
    database: str, source: str, target: str, programs: Programs, reporter: Reporter, same_major: bool
) -> Check:
    """`source` and `target` are connection strings. Across major versions only the objects are compared:
    the words of a definition change.
    """
    name = f"definitions in {database}"
    try:
        expected = _read(source, programs, "expected.sql", reporter)
        found = _read(target, programs, "found.sql", reporter)
    except CommandFailed as failed:
        return Check(name, False, "definitions that can be dumped", failed.message[:_SAID])
    if not same_major:
        expected, found = ({key: dict.fromkeys(side[key], "") for key in side} for side in (expected, found))
    # A category that one side lacks has lost all its objects: it must not drop out of the comparison.
    for category in expected.keys() | found.keys():
        expected.setdefault(category, {})
        found.setdefault(category, {})
    return comparison_schema.compared(name, expected, found)


def catalogued(database: str, source: Connection, target: Connection, same_major: bool) -> Check:
    """Keys, indexes, triggers, rules, policies, sequences and statistics, by the server's own words."""
    expected, found = _capture(source), _capture(target)
    if not same_major:
        expected, found = ({key: dict.fromkeys(side[key], "") for key in side} for side in (expected, found))
    return comparison_schema.compared(f"keys, indexes and triggers of {database}", expected, found)


def _capture(connection: Connection) -> dict[str, Lines]:
    queries = {category: fingerprint_schema.DATABASE_QUERIES[category] for category in _STABLE}
    found = fingerprint_schema.capture(connection, queries)
    # The constraint of a domain is named with the domain's number, which no dump keeps; pg_dump compares it.
    found["constraints"] = {key: value for key, value in found["constraints"].items() if key.endswith("#0")}
    return found


def _read(where: str, programs: Programs, file: str, reporter: Reporter) -> dict[str, Lines]:
    place = programs.folder / file
    words: list[str | Path] = [
        "--schema-only",
        "--no-subscriptions",
        "--no-password",
        "--file",
        place,
        "--dbname",
        where,
    ]
    programs.run("pg_dump", words, reporter)
    return by_object(place)


def by_object(dump: Path) -> dict[str, Lines]:
    """Digests by type (`TABLE`) and `schema.name` of a plain dump; the order of objects does not matter."""
    found: dict[str, Lines] = {}
    for (name, kind, schema, owner), body in _objects(dump):
        lines = sorted(body) if kind.endswith("ACL") else body
        digest = hashlib.sha256("\n".join([owner, *lines]).encode()).hexdigest()[:32]
        objects = found.setdefault(kind, {})
        identity = f"{schema}.{name}"
        known = objects.get(identity)
        objects[identity] = digest if known is None else "".join(sorted((known, digest)))
    return found


def _objects(dump: Path) -> Iterator[tuple[tuple[str, str, str, str], list[str]]]:
    header: tuple[str, str, str, str] | None = None
    body: list[str] = []
    with dump.open(encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            text = line.rstrip("\n")
            if match := _HEADER.fullmatch(text):
                if header is not None:
                    yield header, body
                name, kind, schema, owner = match.groups()
                header, body = (name, kind, schema, owner), []
            elif text and not _NOISE.match(text):
                body.append(text)
    if header is None:
        raise ForeseenError(
            "replace.empty_dump", "A dump of definitions names no object at all.",
            "Look at the database with psql; nothing was changed.",
        )  # fmt: skip
    yield header, body
