"""How the protection of an instance is shown: the word in its row, the 30-day strip, the tone of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from catalog.forms import RIGHTS
from catalog.selectors import InstanceRow, StripDay
from catalog.states import RunKind
from dataprotect.ops.templatetags import show

register = template.Library()

TONES = {"danger": "bad", "warn": "warn", "ok": "ok", "idle": "idle"}
ICONS = {"danger": "bad", "warn": "warn", "ok": "tested", "idle": "none"}
STEP = 4
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


@register.filter
def run_kind(kind: str) -> str:
    """What a schedule starts, in words."""
    return RunKind(kind).label


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


@register.simple_tag
def strip(days: Sequence[StripDay]) -> SafeString:
    """Thirty bars as one path per state, so that fifty strips stay small. Height tells what colour tells."""
    paths = {
        word: "".join(_bar(n, word) for n, day in enumerate(days) if day.state == word) for word in HEIGHTS
    }
    drawn = [(word, path) for word, path in paths.items() if path]
    return format_html(
        '<svg class="strip" viewBox="0 0 {0} 18" width="{0}" height="18" role="img" aria-label="{1}">'
        "<title>{1}</title>{2}</svg>",
        len(days) * STEP,
        _sentence(days),
        format_html_join("", '<path class="{}" d="{}"/>', drawn),
    )


@register.inclusion_tag("catalog/strip_legend.html")
def strip_legend() -> dict[str, Any]:
    return {"keys": [{"word": word, "meaning": MEANINGS[word], "path": _bar(0, word)} for word in MEANINGS]}


def _bar(number: int, word: str) -> str:
    """A rectangle that stands on the ground, as a path."""
    height = HEIGHTS[word]
    return f"M{number * STEP} {17 - height}h3v{height}h-3z"


def _sentence(days: Sequence[StripDay]) -> str:
    """`Last 30 days: good backup 28, failed 2`."""
    counts = {word: sum(day.state == word for day in days) for word in MEANINGS}
    told = [f"{MEANINGS[word]} {number}" for word, number in counts.items() if number]
    return f"Last {len(days)} days: {', '.join(told)}"


@register.filter
def right(codename: str) -> str:
    """`backup_instance` as a person says it."""
    return RIGHTS.get(codename, codename)
