"""From which backup a target is reached, and what is nearest when it cannot be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_clock import MARGIN, LineClock
from dataprotect.engine.timeline_model import BackupPoint, Bracket, Choice, Line, RecoveryWindow, Target

_RECORD = 64 << 10
"""Recovery to a position has to read one whole record beyond it. Nearly all are much shorter."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one backup gets along one line: from the instant `start_at` to the position `end`, inside
    `window`. `epoch` counts lineages by age.
    """

    base: BackupPoint
    start_at: datetime
    end: int
    line: Line
    clock: LineClock
    window: RecoveryWindow
    epoch: int

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """Higher is better: followed before abandoned, newer lineage, newer timeline, then less to replay."""
        return not self.window.abandoned, self.epoch, self.line.timeline, self.base.stop_position


@dataclass(frozen=True, slots=True)
class Nearest:
    """The windows on both sides of a target that none of them holds."""

    before: RecoveryWindow | None
    after: RecoveryWindow | None


def choose(reaches: Sequence[Reach], target: Target) -> Choice:
    """Raises `target.outside`, `target.no_window`."""
    if not reaches:
        raise ForeseenError(
            "target.no_window",
            "There is no recovery window yet: no checked backup is stored.",
            "Take a backup and verify it; the collector's log makes the window grow from there.",
        )
    makers: dict[str, Callable[[Reach, Target], Choice | None]] = {
        "time": _by_time, "lsn": _by_position, "name": _to_the_end, "latest": _to_the_end,
    }  # fmt: skip
    candidates = reaches if target.kind in ("time", "lsn") else _newest(reaches)
    for each in sorted(candidates, key=lambda reach: reach.rank, reverse=True):
        choice = makers[target.kind](each, target)
        if choice is not None:
            return choice
    raise _outside(_windows(reaches), target)


def nearest(windows: Iterable[RecoveryWindow], target: Target) -> Nearest:
    """By instant for a target time, by position on the line that is followed for an LSN."""
    if target.at is not None:
        at = target.at
        before = [window for window in windows if window.end_at <= at]
        after = [window for window in windows if window.start_at >= at]
        return Nearest(
            max(before, key=lambda window: window.end_at, default=None),
            min(after, key=lambda window: window.start_at, default=None),
        )
    position = target.position or 0
    followed = [window for window in windows if not window.abandoned]
    return Nearest(
        max((each for each in followed if each.end_position <= position), key=_end, default=None),
        min((each for each in followed if each.start_position >= position), key=_start, default=None),
    )


def _by_time(reach: Reach, target: Target) -> Choice | None:
    assert target.at is not None  # noqa: S101  its kind says so
    if not reach.start_at <= target.at <= reach.window.end_at:
        return None
    beyond = reach.clock.of_instant(target.at + MARGIN).high
    log_end = min(beyond.position, reach.end) if beyond else reach.end
    log_end = max(log_end, reach.base.stop_position)
    return _choice(reach, target, log_end, reach.clock.of_instant(target.at))


def _by_position(reach: Reach, target: Target) -> Choice | None:
    assert target.position is not None  # noqa: S101
    position = target.position
    if not max(reach.base.stop_position, reach.window.start_position) <= position <= reach.end:
        return None
    beyond = reach.clock.of_position(position + _RECORD).high
    log_end = min(beyond.position, reach.end) if beyond else reach.end
    return _choice(reach, target, log_end, reach.clock.of_position(position))


def _to_the_end(reach: Reach, target: Target) -> Choice | None:
    return _choice(reach, target, reach.end, reach.clock.of_position(reach.end))


def _newest(reaches: Sequence[Reach]) -> list[Reach]:
    """Those that get furthest along the newest line that the server follows."""
    best = max(reaches, key=lambda each: (*each.rank[:3], each.end))
    return [each for each in reaches if (*each.rank[:3], each.end) == (*best.rank[:3], best.end)]


def _choice(reach: Reach, target: Target, log_end: int, bracket: Bracket) -> Choice:
    newest = reach.clock.newest(0, reach.end)
    at = target.at or (bracket.low.at if bracket.low else None)
    lost = None if newest is None or at is None else max(0.0, (newest - at).total_seconds())
    return Choice(
        target=target,
        base=reach.base,
        line=reach.line,
        window=reach.window,
        log_end=log_end,
        reach_end=reach.end,
        bracket=bracket,
        ends_log=target.kind == "latest" or (target.kind == "lsn" and target.position == reach.end),
        lost_seconds=0.0 if target.kind == "latest" else lost,
    )


def _windows(reaches: Iterable[Reach]) -> list[RecoveryWindow]:
    return list({id(each.window): each.window for each in reaches}.values())


def _outside(windows: Sequence[RecoveryWindow], target: Target) -> ForeseenError:
    found = nearest(windows, target)
    words = [_last_of(found.before, target)] if found.before else []
    words += [_first_of(found.after, target)] if found.after else []
    if words:
        said = f"Nearest to it are {' and '.join(words)}." if len(words) > 1 else f"Nearest is {words[0]}."
    else:
        said = "No window lies near it."
    return ForeseenError(
        "target.outside",
        f"{_capital(str(target))} lies in no recovery window. {said}",
        "Choose one of these, or another target inside a window; recovery_windows lists them and the gaps.",
    )


def _last_of(window: RecoveryWindow, target: Target) -> str:
    if target.at is None:
        return f"LSN {lsn.text(window.end_position)} before it"
    return f"{_typable(window.end_at, window, floor)} before it{_alone(window)}"


def _first_of(window: RecoveryWindow, target: Target) -> str:
    if target.at is None:
        return f"LSN {lsn.text(window.start_position)} after it"
    return f"{_typable(window.start_at, window, ceil)} after it{_alone(window)}"


def _typable(at: datetime, window: RecoveryWindow, rounded: Callable[[float], int]) -> str:
    """In whole seconds, as targets are typed, where such an instant lies inside the window."""
    whole = datetime.fromtimestamp(rounded(at.timestamp()), UTC)
    inside = window.start_at <= whole <= window.end_at
    shown = whole.isoformat() if inside else at.astimezone(UTC).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def _alone(window: RecoveryWindow) -> str:
    return f" (the backup {window.backup_ids[0]} alone)" if window.point else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _end(window: RecoveryWindow) -> int:
    return window.end_position


def _start(window: RecoveryWindow) -> int:
    return window.start_position
