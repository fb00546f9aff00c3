"""When a cron expression comes round in a zone, also on the two days a year that are not 24 hours long.

Five fields (minute, hour, day, month, weekday), the POSIX ones; a day matches when day or weekday does, if
both are restricted. An expression names wall-clock times; these rules (Vixie cron's) make instants of them:

    named hour, skipped by the change to summer time      right after the gap, once
    named hour, doubled by the change from summer time    in the first of the two, once
    every hour (the hour field is a star)                 in each hour that passes: no gap, both of two
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter  # type: ignore[import-untyped]

from dataprotect.core.errors import InvalidInput
from dataprotect.core.validation import shown

_BEFORE_A_LEAP_DAY = datetime(2024, 1, 1, tzinfo=UTC)
LEAST_PAUSE = timedelta(minutes=5)
MOST_MISSED = 1000
"""Occurrences beyond these are not counted: "at least a thousand" says enough."""

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
_VALUE = rf"(?:\d{{1,2}}|{_NAMES})"
_PART = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d{{1,2}})?|l|{_VALUE}#[1-5]"
_FIELD = re.compile(rf"(?:{_PART})(?:,(?:{_PART}))*", re.IGNORECASE)
_AROUND = timedelta(hours=3)
"""No zone has changed its clock by more than this since 1970, except by whole days."""

SKIPPED = "The clock skips this hour: it runs right after."
DOUBLED = "This hour comes twice: it runs in the first one only."


@dataclass(frozen=True, slots=True)
class Occurrence:
    """`at`: aware, UTC. `note`: why it is not at the time written, or empty."""

    at: datetime
    note: str = ""


def check_cron(field: str, expression: str) -> str:
    """The expression with single spaces; an empty one (never) stays empty. Raises InvalidInput."""
    text = " ".join(expression.split())
    if not text:
        return ""
    parts = text.split(" ")
    if len(parts) != 5 or not all(_FIELD.fullmatch(part) for part in parts):
        raise InvalidInput(
            field,
            "Expected five fields (minute, hour, day, month, weekday) such as 30 2 * * 0,"
            f" without seconds and without words like @daily; got {shown(text)}.",
        )
    try:
        first = list(islice(_naive(text, _wall(_BEFORE_A_LEAP_DAY, ZoneInfo("UTC"))), 200))
    except (CroniterError, ValueError):
        raise InvalidInput(field, f"Expected times that exist; {shown(text)} never comes round.") from None
    if any(later - earlier < LEAST_PAUSE for earlier, later in pairwise(first)):
        raise InvalidInput(field, f"Expected at least five minutes between two runs; got {shown(text)}.")
    return text


def check_zone(field: str, name: str) -> str:
    """Raises InvalidInput unless `name` is a zone of IANA's database, such as Europe/Berlin."""
    text = name.strip()
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            field, f"Expected a time zone of IANA such as Europe/Berlin; got {shown(text)}."
        ) from None
    return text


def occurrences(expression: str, zone: str, after: datetime) -> Iterator[Occurrence]:
    """All of them later than `after`, in order, without end. `expression` has been checked."""
    place, hourly = ZoneInfo(zone), _hourly(expression)
    found: list[tuple[datetime, str]] = []
    last = after
    for wall in _naive(expression, _wall(after, place) - _AROUND):
        first = _instants(wall, place, hourly)
        for occurrence in first:
            heapq.heappush(found, occurrence)
        certain = _instant(wall, place, fold=0)
        while found and found[0][0] <= certain:
            at, note = heapq.heappop(found)
            if at > last:
                last = at
                yield Occurrence(at, note)


def next_runs(expression: str, zone: str, after: datetime, count: int = 5) -> list[Occurrence]:
    """The next `count`; none for an empty expression."""
    return list(islice(occurrences(expression, zone, after), count)) if expression else []


@lru_cache(maxsize=4096)
def latest(expression: str, zone: str, now: datetime) -> Occurrence | None:
    """The last one not later than `now`; None for an empty expression. Give whole minutes: it is cached."""
    if not expression:
        return None
    place, hourly = ZoneInfo(zone), _hourly(expression)
    local = _wall(now, place)
    best: tuple[datetime, str] | None = None
    for wall in _naive(expression, local + _AROUND, backwards=True):
        passed = [one for one in _instants(wall, place, hourly) if one[0] <= now]
        best = max([*passed, *([best] if best else [])], default=None)
        if best is not None and wall < local - _AROUND:
            return Occurrence(*best)
    return None


def missed_between(expression: str, zone: str, after: datetime, before: datetime) -> int:
    """How many lie strictly between the two; at most MOST_MISSED."""
    count = 0
    for occurrence in occurrences(expression, zone, after):
        if occurrence.at >= before or count == MOST_MISSED:
            break
        count += 1
    return count


def _naive(expression: str, start: datetime, *, backwards: bool = False) -> Iterator[datetime]:
    """Wall-clock times, without any zone, strictly after (or before) `start`."""
    cursor = croniter(expression, start, ret_type=datetime)
    step = cursor.get_prev if backwards else cursor.get_next
    while True:
        yield step()


def _hourly(expression: str) -> bool:
    return expression.split()[1] == "*"


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _instant(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    """In a gap, fold 0 is read with the offset before it: after the gap, as late as it was into it."""
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _instants(wall: datetime, zone: ZoneInfo, hourly: bool) -> list[tuple[datetime, str]]:
    first, second = _instant(wall, zone, fold=0), _instant(wall, zone, fold=1)
    if first == second:
        return [(first, "")]
    if first < second:
        return [(first, ""), (second, "")] if hourly else [(first, DOUBLED)]
    return [] if hourly else [(_end_of_gap(second, first, zone), SKIPPED)]


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the offset changes, to the second; it lies in (before, after]."""
    old = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        same = datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset() == old
        low, high = (middle, high) if same else (low, middle)
    return datetime.fromtimestamp(high, UTC)
