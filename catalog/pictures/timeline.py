"""The timeline of an instance: lanes of backups, and where any instant can be restored.

Units of the box are its own; instants are placed by their share of the span, and what lies outside is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from catalog.models import LegalHold
from catalog.selectors.recovery import BackupMark, RecoveryTimeline
from dataprotect.engine.timeline_model import Gap, RecoveryWindow

WIDTH, LEFT, LANE, TOP = 1000, 96, 30, 22
_TYPES = (("full", "Full"), ("differential", "Differential"), ("incremental", "Incremental"))
_LEAST = 2.0
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = (
    (2 * _HOUR, 10 * _MINUTE, "%H:%M"),
    (5 * _HOUR, 30 * _MINUTE, "%H:%M"),
    (12 * _HOUR, _HOUR, "%H:%M"),
    (2 * _DAY, 4 * _HOUR, "%H:%M"),
    (8 * _DAY, _DAY, "%a %-d"),
    (40 * _DAY, 5 * _DAY, "%-d %b"),
    (400 * _DAY, 30 * _DAY, "%-d %b"),
)
"""(spans up to this long, time between ticks, how a tick is written)"""


@dataclass(frozen=True, slots=True)
class Lane:
    """Paths of marks: good ones and others. `middle` is where its word stands."""

    word: str
    top: float
    middle: float
    good: str
    bad: str
    count: int


@dataclass(frozen=True, slots=True)
class Block:
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    word: str


@dataclass(frozen=True, slots=True)
class TimelinePicture:
    start: datetime
    end: datetime
    lanes: tuple[Lane, ...]
    log_top: float
    solid: tuple[Block, ...]
    points: tuple[Block, ...]
    left_behind: tuple[Block, ...]
    """Windows on timelines that the server left."""
    hatched: tuple[Block, ...]
    ticks: tuple[Tick, ...]
    holds: tuple[Block, ...]
    width: int = WIDTH
    left: int = LEFT
    lane: int = LANE

    @property
    def height(self) -> float:
        return self.log_top + LANE + TOP

    @property
    def log_middle(self) -> float:
        return self.log_top + LANE / 2

    @property
    def floor(self) -> float:
        return self.log_top + LANE

    @property
    def left_share(self) -> float:
        return self.left / self.width

    @property
    def start_ms(self) -> int:
        return int(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        return int(self.end.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(LEFT + (WIDTH - LEFT) * min(1.0, max(0.0, share)), 1)

    def shows(self, start: datetime, end: datetime) -> bool:
        return start <= self.end and end >= self.start

    def block(self, start: datetime, end: datetime, title: str) -> Block:
        left, right = self.x(start), self.x(end)
        width = max(_LEAST, right - left)
        return Block(min(left, WIDTH - width), round(width, 1), title)


def timeline_picture(
    timeline: RecoveryTimeline, *, now: datetime, days: int, holds: Sequence[LegalHold] = ()
) -> TimelinePicture | None:
    """The last `days`, or less when the oldest thing is younger. None when there is nothing to draw."""
    if timeline.start_at is None:
        return None
    oldest = min(timeline.start_at, now - timedelta(hours=1))
    start = max(now - timedelta(days=days), oldest - (now - oldest) / 50)
    scale = _Scale(start, now)
    windows = [each for each in timeline.windows if scale.shows(each.start_at, each.end_at)]
    lanes = tuple(_lane(scale, timeline.backups, n, *names) for n, names in enumerate(_TYPES))
    return TimelinePicture(
        start=start,
        end=now,
        lanes=lanes,
        log_top=TOP + LANE * len(lanes),
        solid=tuple(_window(scale, each) for each in windows if not each.point and not each.abandoned),
        points=tuple(_window(scale, each) for each in windows if each.point and not each.abandoned),
        left_behind=tuple(_window(scale, each) for each in windows if each.abandoned),
        hatched=tuple(_gaps(scale, timeline.gaps)),
        ticks=tuple(_ticks(scale)),
        holds=tuple(_holds(scale, holds)),
    )


def _lane(scale: _Scale, marks: Iterable[BackupMark], number: int, kind: str, word: str) -> Lane:
    top = TOP + number * LANE
    mine = [each for each in marks if each.type == kind and scale.shows(each.stopped_at, each.stopped_at)]

    def path(good: bool) -> str:
        return "".join(
            f"M{scale.x(each.stopped_at)} {top + 6}v{LANE - 12}" for each in mine if each.good is good
        )

    return Lane(word, top, top + LANE / 2, path(True), path(False), len(mine))


def _window(scale: _Scale, window: RecoveryWindow) -> Block:
    words = f"{_words(window.start_at)} to {_words(window.end_at)}: any instant"
    return scale.block(
        window.start_at,
        window.end_at,
        f"{_words(window.start_at)}: a backup alone" if window.point else words,
    )


def _gaps(scale: _Scale, gaps: Iterable[Gap]) -> Iterable[Block]:
    """A gap without an instant on one side has no place in time: the table names it."""
    for gap in gaps:
        if gap.start_at is not None and gap.end_at is not None and scale.shows(gap.start_at, gap.end_at):
            yield scale.block(gap.start_at, gap.end_at, gap.reason)


def _holds(scale: _Scale, holds: Iterable[LegalHold]) -> Iterable[Block]:
    for hold in holds:
        if hold.backup is None:
            yield scale.block(scale.start, scale.end, f"Held for {hold.matter}: everything")
        elif scale.shows(hold.backup.stopped_at, hold.backup.stopped_at):
            yield scale.block(hold.backup.stopped_at, hold.backup.stopped_at, f"Held for {hold.matter}")


def _ticks(scale: _Scale) -> Iterable[Tick]:
    """At whole minutes, hours or days of the reader's zone."""
    span = scale.end - scale.start
    step, words = next(((step, words) for most, step, words in _STEPS if span <= most), (90 * _DAY, "%b %Y"))
    at = timezone.localtime(scale.start).replace(hour=0, minute=0, second=0, microsecond=0)
    while at < scale.end:
        if at > scale.start + span / 40 and at < scale.end - span / 40:
            yield Tick(scale.x(at), at.strftime(words))
        at += step


def _words(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
