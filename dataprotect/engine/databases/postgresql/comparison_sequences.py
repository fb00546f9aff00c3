"""Sequences of the clone: neither behind the source's, nor further ahead than the log explains, nor
behind data.

A server logs a sequence's value 32 steps (and its cache) ahead, so after a recovery it may be that much
further.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from dataprotect.engine.databases.postgresql import fingerprint_sequences
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_model import DatabaseContent, SequenceState
from dataprotect.engine.databases.postgresql.fingerprint_sequences import Sequence, Value
from dataprotect.engine.model import Check

LOGGED_AHEAD = 32
SHOWN = 10


def checks(database: DatabaseContent, connection: Connection) -> Iterator[Check]:
    """One check for the values, one for the columns the sequences feed."""
    there = {each.identity: each for each in fingerprint_sequences.sequences(connection)}
    values = fingerprint_sequences.values(connection, there.values())
    problems = [
        problem for state in database.sequences
        if (problem := _value(state, values.get((state.schema, state.name))))
    ]  # fmt: skip
    total = len(database.sequences)
    yield _check(
        f"sequences of {database.name}", f"{total} neither behind the source nor too far", problems, total
    )
    behind, looked_at, notes = _behind(database, connection, there, values)
    wanted = f"{looked_at} ahead of the columns they feed"
    yield _check(f"sequences and columns of {database.name}", wanted, behind, looked_at, notes)


def _value(state: SequenceState, value: Value | None) -> str | None:
    """What is wrong with one sequence; None when nothing is."""
    if value is None:
        return f"{state.identity} is missing"
    sign = 1 if state.increment > 0 else -1
    before, after, last = sign * state.before, sign * state.after, sign * value.last
    if state.cycle or after < before:
        return None
    furthest = after + (LOGGED_AHEAD + state.cache) * abs(state.increment)
    if before <= last <= furthest:
        return None
    return f"{state.identity} is at {value.last}, expected {state.before} to {sign * furthest}"


def _behind(
    database: DatabaseContent,
    connection: Connection,
    there: dict[tuple[str, str], Sequence],
    values: dict[tuple[str, str], Value],
) -> tuple[list[str], int, list[str]]:
    problems, notes, looked_at = [], [], 0
    for state in database.sequences:
        sequence, value = there.get((state.schema, state.name)), values.get((state.schema, state.name))
        if sequence is None or value is None or sequence.column is None or state.behind is None:
            continue
        looked_at += 1
        try:
            behind = fingerprint_sequences.is_behind(connection, sequence, value)
        except psycopg.Error as error:
            if connection.closed:
                raise
            problems.append(
                f"{'.'.join(sequence.column)} cannot be read: {' '.join(str(error).split())[:150]}"
            )
            continue
        if behind and state.behind:
            notes.append(f"{state.identity} is behind {'.'.join(sequence.column)}, as it is on the source")
        elif behind:
            problems.append(f"{state.identity} at {value.last} is behind {'.'.join(sequence.column)}")
    return problems, looked_at, notes


def _check(name: str, wanted: str, problems: list[str], total: int, notes: list[str] | None = None) -> Check:
    if problems:
        more = len(problems) - SHOWN
        listed = ", ".join(problems[:SHOWN]) + (f" and {more} more" if more > 0 else "")
        return Check(name, False, wanted, f"{len(problems)} are wrong: {listed}")
    if not total:
        return Check(name, None, wanted, "there is none to compare")
    return Check(name, True, wanted, "; ".join(["all are", *(notes or [])]))
