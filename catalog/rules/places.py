"""Can backups be stored, for how much longer, and is what is stored looked after?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.rules.facts import RepositoryFacts, UsageSample
from catalog.rules.words import ended, page, size
from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import Severity

WARN_BELOW, CRITICAL_BELOW = 0.15, 0.05
"""Shares of the place that are free."""
WARN_DAYS, CRITICAL_DAYS = 14.0, 3.0
SHORTEST_HISTORY = timedelta(hours=12)
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """bytes_per_day may be negative. days_left None: it does not fill."""

    bytes_per_day: float
    days_left: float | None


def repository_findings(facts: RepositoryFacts, now: datetime, scrub_days: int) -> Iterator[Finding]:
    for finding in (
        repository_unreachable(facts),
        repository_filling(facts),
        scrub_late(facts, now, scrub_days),
    ):
        if finding is not None:
            yield finding


def repository_unreachable(facts: RepositoryFacts) -> Finding | None:
    if not facts.unreachable:
        return None
    title = ended(f"The repository {facts.name} cannot be used: {facts.problem}")
    words = "Nothing can be stored in it or restored from it. Check the place, then the repository."
    return _finding(facts, "repository_unreachable", Severity.CRITICAL, title, words)


def repository_filling(facts: RepositoryFacts) -> Finding | None:
    """Little is free now, or will be soon if it goes on filling as it did."""
    if facts.free_bytes is None:
        return None
    free, ahead = _free_share(facts), forecast(facts.history)
    days = ahead.days_left if ahead is not None else None
    severity = _severity(free, days)
    if severity is None:
        return None
    title = f"The repository {facts.name} is filling up."
    words = f"{size(facts.free_bytes)} are free."
    if ahead is not None and days is not None:
        words += f" It grows by {size(ahead.bytes_per_day)} a day and is full in about {days:.1f} days."
    words += " Add space, or let expiry remove what no rule keeps."
    return _finding(facts, "repository_filling", severity, title, words)


def _severity(free: float, days: float | None) -> Severity | None:
    if free < CRITICAL_BELOW or (days is not None and days < CRITICAL_DAYS):
        return Severity.CRITICAL
    if free < WARN_BELOW or (days is not None and days < WARN_DAYS):
        return Severity.WARNING
    return None


def _free_share(facts: RepositoryFacts) -> float:
    """Of what is free and what we store: what else lies on the disk is not known."""
    free = facts.free_bytes or 0
    return free / (free + facts.stored_bytes) if free + facts.stored_bytes else 1.0


def forecast(history: Sequence[UsageSample]) -> Forecast | None:
    """A straight line through the free space by least squares; None without half a day of history.

    The free space is taken and not our own growth, because others fill the same disk.
    """
    points = [(sample.at, sample.free_bytes) for sample in history if sample.free_bytes is not None]
    if len(points) < 3 or points[-1][0] - points[0][0] < SHORTEST_HISTORY:
        return None
    days = [(at - points[0][0]).total_seconds() / _DAY for at, _ in points]
    free = [float(amount) for _, amount in points]
    mean_day, mean_free = sum(days) / len(days), sum(free) / len(free)
    spread = sum((day - mean_day) ** 2 for day in days)
    slope = sum((d - mean_day) * (f - mean_free) for d, f in zip(days, free, strict=True)) / spread
    left = free[-1] / -slope if slope < 0 else None
    return Forecast(bytes_per_day=-slope, days_left=left)


def scrub_late(facts: RepositoryFacts, now: datetime, scrub_days: int) -> Finding | None:
    """A tenth more than the promised time without rereading is late."""
    if facts.oldest_read_at is None or now - facts.oldest_read_at <= timedelta(days=1.1 * scrub_days):
        return None
    return _finding(
        facts, "scrub_late", Severity.WARNING, f"Objects in {facts.name} were not reread in time.",
        f"The oldest were last read {clock.iso(facts.oldest_read_at)}; every {scrub_days} days is promised. "
        "Are workers running, and is the bandwidth limit of rereading too low?",
    )  # fmt: skip


def _finding(facts: RepositoryFacts, rule: str, severity: Severity, title: str, detail: str) -> Finding:
    return Finding(rule, severity, title, detail, f"repository:{facts.key}", page("repositories", facts.name))
