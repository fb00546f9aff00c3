"""Template filters and tags for instants, sizes, durations, states and icons.

Instants are aware datetimes and appear in the user's zone with its abbreviation inside `<time datetime>`;
sizes are bytes, durations seconds. Unknown (None) is a dash that says so to a screen reader.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from dataprotect.core import clock
from dataprotect.core.wording import counted
from dataprotect.ops.views.kept_words import words_kept

register = template.Library()

UNKNOWN = mark_safe('<span class="faint" aria-label="unknown">—</span>')


class Look(NamedTuple):
    """How a state word appears: tone of the colour, icon, and the word a person reads."""

    tone: str
    icon: str
    word: str


LOOKS = {
    "queued": Look("idle", "wait", "Queued"),
    "running": Look("run", "run", "Running"),
    "succeeded": Look("ok", "ok", "Succeeded"),
    "failed": Look("bad", "bad", "Failed"),
    "errored": Look("bad", "bad", "Errored"),
    "cancelled": Look("idle", "cancel", "Cancelled"),
    "writing": Look("run", "run", "Writing"),
    "stored": Look("warn", "stored", "Stored"),
    "checked": Look("ok", "checked", "Checked"),
    "restore_tested": Look("ok", "tested", "Restore tested"),
    "damaged": Look("bad", "bad", "Damaged"),
    "missing": Look("bad", "bad", "Missing"),
    "expired": Look("idle", "cancel", "Expired"),
    "passed": Look("ok", "ok", "Passed"),
    "not_applicable": Look("idle", "none", "Not applicable"),
    "never": Look("idle", "none", "Never"),
    "ok": Look("ok", "ok", "OK"),
    "late": Look("warn", "warn", "Late"),
    "encrypted": Look("ok", "lock", "Encrypted"),
    "unencrypted": Look("warn", "unlock", "Not encrypted"),
    "ready": Look("ok", "ok", "Ready"),
    "new": Look("idle", "none", "Not checked yet"),
    "unreachable": Look("bad", "bad", "Unreachable"),
    "expiring": Look("warn", "wait", "Expiring"),
    "deleting": Look("idle", "cancel", "Being deleted"),
    "deleted": Look("idle", "cancel", "Deleted"),
    "critical": Look("bad", "bad", "Critical"),
    "warning": Look("warn", "warn", "Warning"),
    "info": Look("idle", "none", "For information"),
    "open": Look("bad", "bell", "Open"),
    "acknowledged": Look("run", "user", "Acknowledged"),
    "snoozed": Look("idle", "wait", "Snoozed"),
    "resolved": Look("ok", "ok", "Resolved"),
    "pending": Look("idle", "wait", "Waiting to be sent"),
    "sending": Look("run", "run", "Being sent"),
    "sent": Look("ok", "ok", "Sent"),
    "dead": Look("bad", "bad", "Given up"),
    "dropped": Look("idle", "cancel", "Not sent"),
    "started": Look("run", "run", "Started"),
    "covered": Look("ok", "ok", "Covered by another"),
    "draft": Look("idle", "none", "Draft"),
    "approved": Look("ok", "ok", "Approved"),
    "validating": Look("run", "run", "Validating"),
    "watching": Look("run", "run", "Watching"),
    "completed": Look("ok", "ok", "Completed"),
    "stopped": Look("warn", "warn", "Stopped"),
    "rolled_back": Look("warn", "restore", "Rolled back"),
    "done": Look("ok", "ok", "Done"),
    "skipped": Look("idle", "none", "Skipped"),
    "off": Look("idle", "none", "Off"),
    "starting": Look("run", "run", "Starting"),
    "streaming": Look("ok", "stream", "Streaming"),
    "waiting": Look("warn", "wait", "Waiting to try again"),
    "refused": Look("bad", "bad", "Refused"),
    "awaiting": Look("warn", "inbox", "Awaiting approval"),
    "executed": Look("ok", "ok", "Approved and done"),
    "rejected": Look("bad", "bad", "Rejected"),
    "withdrawn": Look("idle", "cancel", "Withdrawn"),
    "lapsed": Look("idle", "wait", "Lapsed"),
    "void": Look("idle", "cancel", "Void"),
    "active": Look("ok", "ok", "Active"),
    "retired": Look("idle", "cancel", "Retired"),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of the symbols of `partials/sprite.html`, hidden from screen readers: a word stands beside it."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag
def state(value: object, word: str = "", tone: str = "", symbol: str = "") -> SafeString:
    """Icon, word and colour of a state; `word`, `tone` and `symbol` override what the state itself says."""
    key = str(value or "never").lower().replace("-", "_").replace(" ", "_")
    look = LOOKS.get(key, Look("idle", "none", str(value)))
    return format_html(
        '<span class="state state-{}">{}<span>{}</span></span>',
        tone or look.tone,
        icon(symbol or look.icon),
        word or look.word,
    )


@register.filter
def from_iso(text: str | None) -> datetime | None:
    """The instant of a plan or an evidence, for the filters that show one."""
    return clock.parse_iso(text) if text else None


@register.filter
def when(instant: datetime | None) -> SafeString:
    """`2026-11-22 15:07:58 CET` in the user's zone, machine-readable in `datetime`."""
    if instant is None:
        return UNKNOWN
    local = timezone.localtime(instant)
    return format_html(
        '<time datetime="{}">{}</time>', clock.iso(instant), f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
    )


@register.filter
def minute(instant: datetime | None) -> SafeString:
    """`2026-11-22 15:07 CET`, for columns of instants; seconds in `datetime` and on hover."""
    if instant is None:
        return UNKNOWN
    local = timezone.localtime(instant)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        clock.iso(instant),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        f"{local:%Y-%m-%d %H:%M} {local.tzname()}",
    )


@register.filter
def hours(number: int) -> str:
    """`6 hours`, `day`, `7 days`: to follow the word `every`."""
    if number % 24:
        return "hour" if number == 1 else f"{number} hours"
    return "day" if number == 24 else f"{number // 24} days"


@register.filter
def in_zone(at: datetime | None, zone: str) -> SafeString:
    """`Sun 2026-11-22 01:00 CET` in the zone of a schedule, whatever zone the reader prefers."""
    if at is None:
        return UNKNOWN
    local = at.astimezone(ZoneInfo(zone))
    words = f"{local:%a %Y-%m-%d %H:%M} {local.tzname()}"
    return format_html('<time datetime="{}">{}</time>', clock.iso(at), words)


@register.filter
def instant(at: datetime | None) -> SafeString:
    """`2026-11-22 15:07:58.204 CET`: to the millisecond, where the exact instant is what matters."""
    if at is None:
        return UNKNOWN
    local = timezone.localtime(at)
    text = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local.tzname()}"
    return format_html('<time datetime="{}">{}</time>', clock.iso(at), text)


@register.filter
def clock_time(instant: datetime | None) -> SafeString:
    """`15:07:58` in the user's zone, for log lines; the full instant is in `datetime` and the title."""
    if instant is None:
        return UNKNOWN
    local = timezone.localtime(instant)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        clock.iso(instant),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        f"{local:%H:%M:%S}",
    )


@register.filter
def ago(instant: datetime | None) -> SafeString:
    """`3 h ago`, in the largest unit that fits; the instant itself in `datetime` and on hover."""
    if instant is None:
        return UNKNOWN
    seconds = (datetime.now(UTC) - instant).total_seconds()
    local = timezone.localtime(instant)
    text = "just now" if abs(seconds) < 5 else f"{one_unit(abs(seconds))} ago"
    if seconds <= -5:
        text = f"in {one_unit(-seconds)}"
    return format_html(
        '<time class="nowrap" datetime="{}" title="{}">{}</time>',
        clock.iso(instant),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        text,
    )


def short_duration(seconds: float) -> str:
    """Two units at most: `42 s`, `12 min 5 s`, `3 h 12 min`, `5 d 2 h`."""
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below, below_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {below_unit}" if rest else "")
    return f"{whole} s"


def one_unit(seconds: float) -> str:
    """`42 s`, `12 min`, `3 h`, `5 d`: rounded down, as people say it."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


@register.filter
def duration(seconds: float | None) -> SafeString | str:
    """A duration in seconds as two units at most."""
    return UNKNOWN if seconds is None else short_duration(float(seconds))


@register.filter
def size(count: int | None) -> SafeString:
    """Bytes with binary units, three significant digits; the exact number on hover."""
    if count is None:
        return UNKNOWN
    return format_html('<span class="nowrap" title="{} bytes">{}</span>', f"{count:,}", short_size(count))


def short_size(count: float) -> str:
    """`0 B`, `812 KiB`, `1.53 GiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1000 or unit == "TiB":
            break
        value /= 1024
    digits = 0 if unit == "B" or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}"


@register.filter
def rate(bytes_per_second: float | None) -> SafeString | str:
    """`214 MiB/s`."""
    return UNKNOWN if not bytes_per_second else f"{short_size(bytes_per_second)}/s"


@register.filter
def count(number: int | None) -> SafeString | str:
    """`12,345`."""
    return UNKNOWN if number is None else f"{number:,}"


@register.filter
def words(value: object) -> str:
    """`row_counts` as a person reads it: `Row counts`."""
    text = str(value).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


@register.filter
def check_name(name: str) -> str:
    """`row counts of order_items` as `Row counts of order_items`; a program keeps the name it has."""
    return name if name.startswith("pg_") else name[:1].upper() + name[1:]


@register.filter
def item(mapping: Any, key: object) -> object:
    """`mapping[key]`, or None."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.inclusion_tag("partials/field.html")
def field(bound: object, width: str = "") -> dict[str, object]:
    """One form field in house style; `width` is a class of the `.fields` grid (`w6`)."""
    return {"field": bound, "width": width}


@register.filter
def visible(text: object) -> str:
    """A name as it is, with what cannot be seen (control signs, direction marks) written as an escape."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in str(text)
    )


@register.filter
def share(part: float | None) -> SafeString | str:
    """A percentage as `4.2 %`."""
    return UNKNOWN if part is None else f"{part:.1f} %" if part < 10 else f"{part:.0f} %"


@register.filter
def days(count: int) -> str:
    """How long something is kept: `90 days`; `7 years` where it is whole years of 365 days."""
    if count and count % 365 == 0:
        return counted(count // 365, "year")
    return counted(count, "day")


def duration_range(seconds: float, low: float = 0.8, high: float = 1.4) -> str:
    """An estimate as what it is: `2 min to 4 min`. Under ten seconds nobody needs more than `seconds`."""
    return seconds_between(seconds * low, seconds * high)


def seconds_between(low: float, high: float) -> str:
    """`2 min to 4 min`; `about 3 min` where both are the same in words."""
    if high < 10:
        return "a few seconds"
    least, most = _rough(low), _rough(high)
    return f"about {most}" if least == most else f"{least} to {most}"


@register.filter
def between(span: Any) -> str:
    """Seconds at best and at worst (`low`, `high`) in words."""
    return seconds_between(span.low, span.high)


def _rough(seconds: float) -> str:
    """One unit: `40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds / 5) * 5)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


@register.simple_tag(takes_context=True)
def kept(context: dict[str, Any], field: str, view: str, *args: object) -> str:
    """What was typed into `field` of the form that is sent to `view`, before a proof was asked for."""
    return str(words_kept(context["request"], reverse(view, args=args)).get(field, ""))
