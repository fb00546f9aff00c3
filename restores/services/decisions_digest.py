"""What was signed and denied in each approver's name, and what was started without signatures, told once a
week, so that a misused name is noticed.

People have no address here: it goes to the channels that take the rule `decisions_digest`.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User

from dataprotect.core import clock
from dataprotect.ops.services.alert_message import notice_write
from restores.models import Approval, BreakGlassUse
from restores.selectors.approvals import own_decisions

RULE = "decisions_digest"
_MOST = 50


def digest_write() -> int:
    """Of the week that is over; safe to repeat, since it is written once. How many channels get it."""
    start, end = week_before(clock.now(), ZoneInfo(settings.TIME_ZONE))
    decided = Approval.objects.filter(decided_at__gte=start, decided_at__lt=end).order_by()
    people = User.objects.filter(pk__in=decided.values("approver")).order_by("username")
    lines = [line for user in people for line in _of(user, start, end)] + _unsigned(start, end)
    if not lines:
        return 0
    return notice_write(
        rule=RULE, title=f"Signed and denied from {start:%Y-%m-%d} to {end - timedelta(days=1):%Y-%m-%d}",
        body="\n".join([*lines, "If one of yours was not your doing, tell a DBA Lead at once."]),
        link="/restores/approvals/",
    )  # fmt: skip


def week_before(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The last whole week, from Monday 00:00 to Monday 00:00 on the clocks of `zone`."""
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    start, end = (datetime.combine(day, time(), zone) for day in (monday - timedelta(days=7), monday))
    return start, end


def _of(user: User, start: datetime, end: datetime) -> list[str]:
    decided = own_decisions(user=user, since=start).filter(decided_at__lt=end).reverse()
    lines = [f"- {_line(each)}" for each in decided]
    more = len(lines) - _MOST
    return [f"{user.get_username()}:", *lines[:_MOST], *([f"- and {more} more"] if more > 0 else [])]


def _unsigned(start: datetime, end: datetime) -> list[str]:
    """The exceptions: who broke the glass, and whether somebody else has looked at it since."""
    used = BreakGlassUse.objects.filter(used_at__gte=start, used_at__lt=end).order_by("used_at")
    people = used.select_related("user", "reviewed_by", "request__instance", "request__target_instance")
    lines = [f"- {_exception(each)}" for each in people]
    return ["Exceptions, started without signatures:", *lines] if lines else []


def _exception(each: BreakGlassUse) -> str:
    row, reviewer = each.request, each.reviewed_by
    seen = "not reviewed" if reviewer is None else f"reviewed by {reviewer.get_username()}"
    what = f"{each.user.get_username()} broke the glass for {row.restore_id} onto {row.affected.name}"
    return f"{clock.iso(each.used_at)}: {what} ({each.reason}); {seen}."


def _line(each: Approval) -> str:
    if each.request is not None:
        row = each.request
        what = f"{row.restore_id} onto {row.affected.name} (now {row.get_state_display().lower()})"
    else:
        what = f"approval policy {each.policy.version}" if each.policy is not None else ""
    role = f" as {each.role}" if each.role else ""
    return f"{clock.iso(each.decided_at)}: {each.get_decision_display().lower()} {what}{role}."
