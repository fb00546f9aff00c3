"""How the protection of an instance is shown: the word in its row, the 30-day strip, the tone of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.safestring import SafeString

from catalog.selectors import InstanceRow, StripDay
from dataprotect.ops.templatetags import show

register = template.Library()

TONES = {"danger": "bad", "warn": "warn", "ok": "ok", "idle": "idle"}
ICONS = {"danger": "bad", "warn": "warn", "ok": "tested", "idle": "none"}
HEIGHTS = {"ok": 16, "late": 16, "failed": 16, "missed": 8, "none": 4}
MEANINGS = {
    "ok": "good backup",
    "late": "late",
    "failed": "failed",
    "missed": "missed",
    "none": "nothing due",
}


@register.filter
def tone(severity: str) -> str:
    """The tone of a colour for a severity of the selectors."""
    return TONES.get(severity, "idle")


@register.filter
def symbol(severity: str) -> str:
    return ICONS.get(severity, "none")


@register.simple_tag
def protection(row: InstanceRow) -> SafeString:
    """The worst thing about an instance, as icon, word and colour."""
    return show.state(row.severity, _worst(row), TONES[row.severity], ICONS[row.severity])


def _worst(row: InstanceRow) -> str:
    """The same order as the overview ranks by."""
    test = row.last_restore_test
    if row.instance.last_good_at is None:
        return "Not protected"
    if test is not None and not test.passed:
        return "Restore test failed"
    if row.rpo_breached:
        return "RPO breached"
    if row.rto_breached:
        return "RTO breached"
    if row.instance.probe_problem:
        return "Cannot connect"
    return "Not restore-tested" if test is None else "Protected"


@register.inclusion_tag("catalog/strip.html")
def strip(days: Sequence[StripDay]) -> dict[str, Any]:
    """Thirty bars; the state is told by height as well as by colour."""
    bars = [_bar(number, day) for number, day in enumerate(days)]
    return {"bars": bars, "sentence": _sentence(days)}


@register.inclusion_tag("catalog/strip_legend.html")
def strip_legend() -> dict[str, Any]:
    return {"keys": [{"word": word, "meaning": MEANINGS[word], **_box(word, 16)} for word in MEANINGS]}


def _bar(number: int, day: StripDay) -> dict[str, Any]:
    return {
        "x": number * 4,
        "word": day.state,
        "day": day,
        "meaning": MEANINGS[day.state],
        **_box(day.state, 17),
    }


def _box(word: str, floor: int) -> dict[str, int]:
    return {"y": floor - HEIGHTS[word], "height": HEIGHTS[word]}


def _sentence(days: Sequence[StripDay]) -> str:
    """`Last 30 days: good backup 28, failed 2`."""
    counts = {word: sum(day.state == word for day in days) for word in MEANINGS}
    told = [f"{MEANINGS[word]} {number}" for word, number in counts.items() if number]
    return f"Last {len(days)} days: {', '.join(told)}"
