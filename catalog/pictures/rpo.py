"""The exposure of an instance over time, as bars: the worst of each stretch of time against the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.selectors.logs import RpoPoint

BARS = 48
STEP = 10
HEIGHT = 100
_HEADROOM = 1.15
_NEAR = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """`worst` is in seconds; None: nothing was measured between `start` and `end`."""

    start: datetime
    end: datetime
    worst: float | None
    breached: bool


@dataclass(frozen=True, slots=True)
class RpoPicture:
    """Paths in a box of `width` by `height` units whose bottom is zero seconds."""

    bars: tuple[Bar, ...]
    ok: str
    breached: str
    target_y: float | None
    """None when the target lies far above everything measured."""
    top_seconds: float
    width: int = BARS * STEP
    height: int = HEIGHT

    @property
    def measured(self) -> list[Bar]:
        return [bar for bar in self.bars if bar.worst is not None]


def rpo_picture(
    points: Sequence[RpoPoint], *, target: float, now: datetime, hours: int = 24
) -> RpoPicture | None:
    """None when nothing was measured in these hours."""
    if not points:
        return None
    bars = _bars(points, target, now, hours)
    worst = max((bar.worst for bar in bars if bar.worst is not None), default=0.0)
    shows_target = target <= max(worst, 0.1) * _NEAR
    top = _HEADROOM * max(worst, target if shows_target else 0.0, 0.1)
    return RpoPicture(
        bars=bars,
        ok=_path(bars, top, breached=False),
        breached=_path(bars, top, breached=True),
        target_y=round(HEIGHT * (1 - target / top), 1) if shows_target else None,
        top_seconds=top,
    )


def _bars(points: Sequence[RpoPoint], target: float, now: datetime, hours: int) -> tuple[Bar, ...]:
    width = timedelta(hours=hours) / BARS
    begin = now - timedelta(hours=hours)
    worst: dict[int, float] = {}
    for point in points:
        number = min(BARS - 1, max(0, int((point.at - begin) / width)))
        worst[number] = max(worst.get(number, 0.0), point.exposure_seconds)
    return tuple(
        Bar(
            begin + n * width,
            begin + (n + 1) * width,
            worst.get(n),
            worst.get(n, 0.0) > target,
        )
        for n in range(BARS)
    )


def _path(bars: Sequence[Bar], top: float, *, breached: bool) -> str:
    drawn = []
    for number, bar in enumerate(bars):
        if bar.worst is None or bar.breached is not breached:
            continue
        height = max(2.0, HEIGHT * bar.worst / top)
        drawn.append(f"M{number * STEP + 1} {HEIGHT - height:.1f}h{STEP - 2}v{height:.1f}h-{STEP - 2}z")
    return "".join(drawn)
