"""What a policy makes due: a pure decision from its expressions, what was decided before, and the time.

Time that passed with nobody looking (the machine was off) makes one run per kind, not one per missed
occurrence. Of several backups that are due together the greatest covers the others: a full one holds all that
a differential one would, and that all of an incremental one.

    due      which occurrences have come since they were last looked at
    choose   of everything that waits: what is to start, and what that covers
    held     why something may not start now: the backup window, a blackout
    overdue  what has not succeeded in time, whatever the reason
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import groupby, islice
from typing import Literal
from zoneinfo import ZoneInfo

from dataprotect.engine.cron import latest, missed_between, occurrences

Kind = Literal["full", "differential", "incremental", "restore_test", "pitr_test", "audit", "scrub"]
BACKUPS: tuple[Kind, ...] = ("full", "differential", "incremental")
"""The greatest first: each covers those after it."""
QUIET: tuple[Kind, ...] = (*BACKUPS, "restore_test", "pitr_test")
"""What a blackout holds back: all that makes load."""

_FURTHEST = 400
"""Windows and blackouts looked through for a free instant, before "never" is believed."""


@dataclass(frozen=True, slots=True)
class Blackout:
    """Weekly: from `start` to `end` on the ISO `weekdays` on which it begins (none: every day). Or once."""

    reason: str
    weekdays: frozenset[int] = frozenset()
    start: time | None = None
    end: time | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`crons`: checked expressions; a kind without one never comes round. Wall-clock times are in `zone`."""

    zone: str
    crons: Mapping[Kind, str]
    window: tuple[time, time] | None = None
    blackouts: tuple[Blackout, ...] = ()
    late_after: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One run. `missed`: earlier occurrences it stands for."""

    kind: Kind
    due_at: datetime
    missed: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that is due and has not been started; `key` is the caller's."""

    key: int
    kind: Kind
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    start: list[Waiting] = field(default_factory=list)
    covered: list[tuple[Waiting, Waiting]] = field(default_factory=list)
    """Each with the one that does its work."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """`due_at` by the expression, `starts_at` when window and blackouts let it (None: never)."""

    kind: Kind
    due_at: datetime
    starts_at: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Overdue:
    kind: Kind
    due_at: datetime


def due(
    plan: Plan,
    *,
    since: datetime,
    last: Mapping[Kind, datetime],
    now: datetime,
    unprotected: bool = False,
) -> list[Due]:
    """What has come since it was last looked at: at most one of each kind, in no order that matters.

    since        when the plan began: nothing is due before
    last         by kind, the newest `due_at` that was decided on
    unprotected  there is no backup at all: a full one is due at once
    """
    minute = now.replace(second=0, microsecond=0)
    found = [
        run
        for kind, expression in plan.crons.items()
        if (run := _due(plan, kind, expression, max(since, last.get(kind, since)), minute)) is not None
    ]
    decided = last.get("full")
    if unprotected and since <= now and (decided is None or decided < since):
        found = [run for run in found if run.kind not in BACKUPS]
        found.append(Due("full", since, note="There is no backup yet: the first one is taken at once."))
    return found


def _due(plan: Plan, kind: Kind, expression: str, after: datetime, minute: datetime) -> Due | None:
    newest = latest(expression, plan.zone, minute)
    if newest is None or newest.at <= after:
        return None
    missed = missed_between(expression, plan.zone, after, newest.at)
    return Due(kind, newest.at, missed, " ".join(filter(None, (newest.note, _missed_words(missed)))))


def _missed_words(missed: int) -> str:
    if not missed:
        return ""
    earlier = "One earlier run was" if missed == 1 else f"{missed} earlier runs were"
    return f"{earlier} missed; this one stands for all."


def choose(waiting: Iterable[Waiting]) -> Choice:
    """Of one instance's runs: the greatest backup, and the newest of each other kind. The rest is covered."""
    choice = Choice()
    ordered = sorted(waiting, key=_precedence)
    for _, together in groupby(ordered, key=lambda run: _group(run.kind)):
        best, *others = together
        choice.start.append(best)
        choice.covered.extend((other, best) for other in others)
    return choice


def _group(kind: Kind) -> str:
    return "backup" if kind in BACKUPS else kind


def _precedence(run: Waiting) -> tuple[str, int, float, int]:
    rank = BACKUPS.index(run.kind) if run.kind in BACKUPS else 0
    return (_group(run.kind), rank, -run.due_at.timestamp(), -run.key)


def held(plan: Plan, kind: Kind, at: datetime) -> str:
    """The sentence that says why it may not start at `at`; empty when it may."""
    quiet = next((rule for rule in plan.blackouts if _until(plan, rule, at) is not None), None)
    if quiet is not None and kind in QUIET:
        return f"A blackout holds it back: {quiet.reason.rstrip('.')}."
    if kind in BACKUPS and plan.window is not None and not _inside(plan, at):
        start, end = plan.window
        return f"It waits for the backup window, {start:%H:%M} to {end:%H:%M} ({plan.zone})."
    return ""


def free_from(plan: Plan, kind: Kind, at: datetime) -> datetime | None:
    """The first instant from `at` on at which it may start; None when there is none in sight."""
    for _ in range(_FURTHEST):
        if not held(plan, kind, at):
            return at
        ends = [end for rule in plan.blackouts if (end := _until(plan, rule, at)) is not None]
        at = max(ends) if ends and kind in QUIET else _opens(plan, at)
    return None


def _inside(plan: Plan, at: datetime) -> bool:
    if plan.window is None:
        return True
    start, end = plan.window
    wall = at.astimezone(ZoneInfo(plan.zone)).time()
    return start <= wall < end if start < end else wall >= start or wall < end


def _opens(plan: Plan, at: datetime) -> datetime:
    """The next opening of the window later than `at`."""
    if plan.window is None:
        return at
    zone = ZoneInfo(plan.zone)
    today = at.astimezone(zone).date()
    openings = (
        datetime.combine(today + timedelta(days=days), plan.window[0], zone).astimezone(UTC)
        for days in range(3)
    )
    return next(opening for opening in openings if opening > at)


def _until(plan: Plan, rule: Blackout, at: datetime) -> datetime | None:
    """The end of the blackout in which `at` lies; None when it lies in none."""
    if rule.starts_at is not None and rule.ends_at is not None:
        return rule.ends_at if rule.starts_at <= at < rule.ends_at else None
    if rule.start is None or rule.end is None:
        return None
    zone = ZoneInfo(plan.zone)
    today = at.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        last = day if rule.start < rule.end else day + timedelta(days=1)
        begins = datetime.combine(day, rule.start, zone).astimezone(UTC)
        ends = datetime.combine(last, rule.end, zone).astimezone(UTC)
        if begins <= at < ends and (not rule.weekdays or day.isoweekday() in rule.weekdays):
            return ends
    return None


def next_runs(plan: Plan, after: datetime, count: int = 5) -> list[PlannedRun]:
    """The next ones of all kinds; of one minute's backups the greatest, which says what it covers."""
    return list(islice(_planned(plan, after), count))


def _planned(plan: Plan, after: datetime) -> Iterator[PlannedRun]:
    merged = heapq.merge(
        *(_of_kind(plan, kind, text, after) for kind, text in plan.crons.items() if text),
        key=lambda run: run.due_at,
    )
    for at, together in groupby(merged, key=lambda run: run.due_at):
        runs = {run.kind: run for run in together}
        backups = [kind for kind in BACKUPS if kind in runs]
        for kind, run in runs.items():
            if kind not in backups[1:]:
                note = " ".join(filter(None, (run.note, _covers(backups) if kind in backups else "")))
                yield PlannedRun(kind, at, free_from(plan, kind, at), note)


def _of_kind(plan: Plan, kind: Kind, expression: str, after: datetime) -> Iterator[Due]:
    for occurrence in occurrences(expression, plan.zone, after):
        yield Due(kind, occurrence.at, note=occurrence.note)


def _covers(backups: Sequence[Kind]) -> str:
    return f"It covers the {' and the '.join(backups[1:])} of the same minute." if backups[1:] else ""


def overdue(
    plan: Plan, *, since: datetime, succeeded: Mapping[Kind, datetime], now: datetime
) -> list[Overdue]:
    """Kinds whose last occurrence is longer ago than allowed and has not been met, the greatest backup first.

    succeeded  by kind, when the newest run that succeeded was started; a greater backup counts for a lesser
    """
    found = []
    minute = now.replace(second=0, microsecond=0)
    for kind, expression in plan.crons.items():
        newest = latest(expression, plan.zone, minute - plan.late_after)
        if newest is None or newest.at <= since:
            continue
        counting = BACKUPS[: BACKUPS.index(kind) + 1] if kind in BACKUPS else (kind,)
        if not any(succeeded[one] >= newest.at for one in counting if one in succeeded):
            found.append(Overdue(kind, newest.at))
    return found
