"""Where a recovery really ended, in the server's own words, and whether that is what was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_model import Choice

LARGEST_HEADER = 64
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(?::?(\d\d))?")
_NOT_REACHED = "recovery ended before configured recovery target was reached"
_TOO_EARLY = "requested recovery stop point is before consistent recovery point"


@dataclass(frozen=True, slots=True)
class Reached:
    """`position` is where the history was left, `reason` the server's words for it (`before 2026-…`), `at`
    the commit time of the last transaction that was replayed; None when none was.
    """

    position: str
    reason: str
    at: datetime | None = None


def of_history(data: Path, timeline: str) -> Reached:
    """From the history file of the timeline (8 hex digits) that the promoted server began."""
    text = (data / "pg_wal" / f"{timeline}.history").read_text()
    line = [line for line in text.splitlines() if line.strip() and not line.startswith("#")][-1]
    _, position, reason = line.split("\t", 2)
    return Reached(position, reason)


def require(reached: Reached, choice: Choice) -> None:
    """Raise `clone.wrong_target` unless the server stands where it was sent."""
    problem = _problem(reached, choice)
    if problem:
        stands = f"LSN {reached.position} ({reached.reason})"
        last = f", last transaction {clock.iso(reached.at)}" if reached.at else ""
        raise ForeseenError(
            "clone.wrong_target",
            f"Recovery ended at {stands}{last}, and not at {choice.target}: {problem}.",
            "Do not use this copy. Report it with the server's log; another backup may lead to the target.",
        )


def _problem(reached: Reached, choice: Choice) -> str:
    target = choice.target
    position = lsn.parse(reached.position)
    if choice.ends_log:
        known = choice.bracket.low
        if position > choice.reach_end or (known is not None and position < known.position - LARGEST_HEADER):
            return f"the log is stored to {lsn.text(choice.reach_end)}"
        return "" if reached.reason == "no recovery target specified" else "the log went on"
    if target.at is not None:
        return _problem_of_time(reached, target.at)
    if target.position is not None:
        # The position asked for may lie behind the header of a page; the last record ends before that.
        short = target.position - position
        right = 0 <= short <= LARGEST_HEADER and reached.reason.startswith("before LSN")
        return "" if right else "that is another position"
    wanted = f'at restore point "{target.name}"'
    return "" if reached.reason == wanted else "that is another point"


def _problem_of_time(reached: Reached, at: datetime) -> str:
    following = parse_instant(reached.reason) if reached.reason.startswith("before ") else None
    if following is None:
        return "it did not end before a transaction"
    if following <= at:
        return "the transaction that follows had committed by then"
    if reached.at is not None and reached.at > at:
        return "the last transaction committed later"
    return ""


def parse_instant(text: str) -> datetime | None:
    """The first instant in the server's words, which bear a numeric zone or `UTC`."""
    found = _INSTANT.search(text.replace(" UTC", "+00"))
    if found is None:
        return None
    zone = f"{found[2]}:{found[3] or '00'}"
    return datetime.fromisoformat(f"{found[1]}{zone}").astimezone(UTC)


def explained(log: str, choice: Choice) -> ForeseenError | None:
    """What the server's last words mean for the target; None when they are about something else."""
    base, end = choice.base, lsn.text(choice.reach_end)
    if _NOT_REACHED in log and choice.target.name:
        return ForeseenError(
            "target.no_restore_point",
            f"The log from {lsn.text(base.start_position)} to {end}, replayed from the backup "
            f"{base.backup_id}, has no restore point {choice.target.name!r}.",
            "Only replaying tells which restore points there are: check the name, and if it was made before "
            "this backup, name an older one.",
        )
    if _NOT_REACHED in log:
        return ForeseenError(
            "target.not_reached",
            f"The log ends at {end} before anything shows that {choice.target} was reached.",
            "Choose an earlier target, or the latest; more log may have been stored in a few seconds.",
            retry=True,
        )
    if _TOO_EARLY in log:
        return ForeseenError(
            "target.too_early",
            f"{choice.target} lies before the end of the backup {base.backup_id}, by the server's own clock.",
            "Choose a target a little later, or an older backup.",
        )
    return None
