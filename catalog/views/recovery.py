"""To which instants an instance can be restored: a picture, the same as a table, and one instant asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render

from catalog.models import Instance, LegalHold
from catalog.pictures.timeline import timeline_picture
from catalog.selectors import instance_get
from catalog.selectors.holds import active_holds
from catalog.selectors.recovery import RecoveryTimeline, recovery_timeline
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.recovery_target import parse_target
from dataprotect.engine.timeline_clock import between
from dataprotect.engine.timeline_model import Choice, Gap, RecoveryWindow
from dataprotect.ops.views.page import Request, page

SPANS = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (365, "1 year"))
_DEFAULT = 30
ROWS = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person is told about one target. `refusal` says why not, with the nearest instants."""

    asked: str
    refusal: str = ""
    at: datetime | None = None
    position: str = ""
    exact: bool = False
    """The position is the target itself; else it is expected from the readings around the instant."""
    choice: Choice | None = None


@page
def recovery(request: Request, name: str) -> HttpResponse:
    """The whole page; for a question asked in the background, only the answer."""
    instance = instance_get(user=request.user, name=name)
    context = {"instance": instance, **timeline_context(request, instance, rows=ROWS)}
    context["answer"] = answer_of(context["timeline"], request.GET.get("at", "").strip())
    template = "catalog/recovery.html#answer" if request.htmx else "catalog/recovery.html"
    return render(request, template, context)


def timeline_context(request: Request, instance: Instance, *, rows: int) -> dict[str, Any]:
    """What `catalog/timeline.html` draws. Six queries."""
    timeline, now = recovery_timeline(instance=instance), clock.now()
    held = Q(instance=instance) & active_holds(now)
    days = request.GET.get("days", "")
    days_shown = int(days) if days in {str(number) for number, _ in SPANS} else _DEFAULT
    holds = list(LegalHold.objects.filter(held).select_related("backup").order_by("-placed_at")[:ROWS])
    return {
        "timeline": timeline,
        "picture": timeline_picture(timeline, now=now, days=days_shown, holds=holds),
        "spans": SPANS,
        "days": days_shown,
        "rows": table_rows(timeline)[:rows],
        "row_total": len(timeline.windows) + len(timeline.gaps),
        "asked": request.GET.get("at", "").strip(),
    }


def table_rows(timeline: RecoveryTimeline) -> list[dict[str, Any]]:
    """Windows and gaps, the newest first; what no clock ties to an instant comes last."""
    windows = [_window_row(each) for each in timeline.windows]
    rows = [*windows, *(_gap_row(each) for each in timeline.gaps)]
    dated = [row for row in rows if row["start_at"] is not None]
    undated = [row for row in rows if row["start_at"] is None]
    return [*sorted(dated, key=lambda row: row["start_at"], reverse=True), *undated]


def _window_row(window: RecoveryWindow) -> dict[str, Any]:
    kind = "left" if window.abandoned else "point" if window.point else "window"
    start, end = window.positions
    count = len(window.backup_ids)
    words = f"Based on {count} backup{'s' if count > 1 else ''}."
    return _row(window, kind, start, end) | {"reason": words, "backup_id": window.backup_ids[-1]}


def _gap_row(gap: Gap) -> dict[str, Any]:
    start, end = lsn.text(gap.start_position), lsn.text(gap.end_position)
    return _row(gap, "gap", start, end) | {"reason": gap.reason, "gap": gap.row, "seen": gap.acknowledged}


def _row(item: RecoveryWindow | Gap, kind: str, start: str, end: str) -> dict[str, Any]:
    start_at, end_at, timeline = attrgetter("start_at", "end_at", "timeline")(item)
    return {
        "kind": kind, "start_at": start_at, "end_at": end_at, "timeline": timeline,
        "start_position": start, "end_position": end,
    }  # fmt: skip


def answer_of(timeline: RecoveryTimeline, asked: str) -> Answer | None:
    """None when nothing was asked. An instant has its zone; with a slash it is an LSN."""
    if not asked:
        return None
    try:
        named = {"lsn_text": asked} if "/" in asked else {"time": asked}
        target = parse_target(now=clock.now(), **named)  # type: ignore[arg-type]
        assert target is not None  # noqa: S101  one was named
        choice = timeline.found.choose_base(target)
    except ForeseenError as error:
        return Answer(asked, refusal=error.message)
    low, high = choice.bracket.low, choice.bracket.high
    if target.position is not None:
        return Answer(asked, at=low.at if low else None, position=asked.upper(), exact=True, choice=choice)
    expected = between(low, high, target.at) if target.at is not None else None
    position = lsn.text(choice.log_end if expected is None else expected)
    return Answer(asked, at=target.at, position=position, choice=choice)
