"""Grandfather, father, son: which backup represents a day, a week, a month, a year, and for how long.

All dates are those of the rules' zone, by the instant a backup restores to.

A day is represented by its last good backup: it holds the whole day's work. A week, a month and a year are
represented by the first good full backup in them, or without one by the first good backup: that one stays the
same while later ones come, and stands on the fewest others. A week is Monday to Sunday (ISO 8601).

A representative stays for the rule's days counted from its own date, that day included: it goes at the
midnight that begins its date plus so many days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dataprotect.engine.retention_model import BackupFacts, Reason, RetentionRules

Period = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CalendarRule:
    name: str
    noun: str
    days: int
    period_of: Callable[[date], Period]
    shown: Callable[[Period], str]
    newest: bool = False


def calendar_rules(rules: RetentionRules) -> tuple[CalendarRule, ...]:
    return (
        CalendarRule("daily", "day", rules.keep_daily_days, _day, _shown_day, newest=True),
        CalendarRule("weekly", "week", rules.keep_weekly_days, _week, _shown_week),
        CalendarRule("monthly", "month", rules.keep_monthly_days, _month, _shown_month),
        CalendarRule("yearly", "year", rules.keep_yearly_days, _year, _shown_year),
    )


class Calendar:
    """Dates and midnights of one zone, as seen at one instant."""

    def __init__(self, zone: str, at: datetime) -> None:
        self._zone = ZoneInfo(zone)
        self.today = self.date_of(at)

    def date_of(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()

    def end_of(self, first: date, days: int) -> datetime:
        """Midnight after `days` days, the first of which is `first`; at most the end of the year 9999."""
        try:
            return datetime.combine(first + timedelta(days=days), time.min, self._zone).astimezone(UTC)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)

    def within(self, first: date, days: int) -> bool:
        return (self.today - first).days < days


def representatives(
    rule: CalendarRule, good: Sequence[BackupFacts], calendar: Calendar
) -> Mapping[Period, BackupFacts]:
    """The backup that stands for each period. `good` is oldest first."""
    chosen: dict[Period, BackupFacts] = {}
    for backup in good:
        period = rule.period_of(calendar.date_of(backup.stopped_at))
        before = chosen.get(period)
        if before is None or rule.newest or (backup.type == "full" and before.type != "full"):
            chosen[period] = backup
    return chosen


def calendar_reasons(
    rules: RetentionRules, good: Sequence[BackupFacts], calendar: Calendar
) -> tuple[dict[str, list[Reason]], dict[str, list[Reason]]]:
    """For each good backup, what of the calendar keeps it, and what does not."""
    keeps: dict[str, list[Reason]] = {backup.backup_id: [] for backup in good}
    lacks: dict[str, list[Reason]] = {backup.backup_id: [] for backup in good}
    for rule in calendar_rules(rules):
        chosen = representatives(rule, good, calendar)
        for backup in good:
            found = _judged(rule, backup, chosen, calendar)
            side = keeps if found.until is not None else lacks
            side[backup.backup_id].append(found)
    return keeps, lacks


def _judged(
    rule: CalendarRule, backup: BackupFacts, chosen: Mapping[Period, BackupFacts], calendar: Calendar
) -> Reason:
    first = calendar.date_of(backup.stopped_at)
    period = rule.period_of(first)
    if rule.days <= 0:
        return Reason(rule.name, f"No {rule.name} backups are kept.")
    if chosen[period] != backup:
        return Reason(
            rule.name, f"{chosen[period].backup_id} represents the {rule.noun} {rule.shown(period)} instead."
        )
    if not calendar.within(first, rule.days):
        return Reason(
            rule.name, f"It represents the {rule.noun} {rule.shown(period)}, but {_days(rule.days)} are over."
        )
    sentence = f"It represents the {rule.noun} {rule.shown(period)}, kept for {_days(rule.days)}."
    return Reason(rule.name, sentence, calendar.end_of(first, rule.days))


def all_days_reason(rules: RetentionRules, backup: BackupFacts, calendar: Calendar) -> Reason | None:
    """Everything young stays, proved or not: it may be in work, or wait for its verification."""
    first = calendar.date_of(backup.stopped_at)
    if not calendar.within(first, rules.keep_all_days):
        return None
    sentence = f"Everything of the last {_days(rules.keep_all_days)} stays."
    return Reason("young", sentence, calendar.end_of(first, rules.keep_all_days))


def ordered(backups: Iterable[BackupFacts]) -> list[BackupFacts]:
    """Oldest first; two of one instant by id, so that every run says the same."""
    return sorted(backups, key=lambda backup: (backup.stopped_at, backup.backup_id))


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _day(on: date) -> Period:
    return (on.year, on.month, on.day)


def _week(on: date) -> Period:
    return on.isocalendar()[:2]


def _month(on: date) -> Period:
    return (on.year, on.month)


def _year(on: date) -> Period:
    return (on.year,)


def _shown_day(period: Period) -> str:
    return date(*period).isoformat()


def _shown_week(period: Period) -> str:
    return f"{period[0]}-W{period[1]:02d}"


def _shown_month(period: Period) -> str:
    return f"{period[0]}-{period[1]:02d}"


def _shown_year(period: Period) -> str:
    return f"{period[0]}"
