"""Is the log of each instance stored without a break, in time, and without filling the server's disk?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from catalog.rules.facts import CollectorFacts, GapFacts
from catalog.rules.words import ended, page, seconds, size, span
from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import Severity

FAILURES = 3
"""In a row: a server that is restarted refuses a few times."""
SILENT_AFTER = timedelta(minutes=2)


def log_gap(facts: GapFacts) -> Finding:
    """Facts exist only for gaps that nobody acknowledged."""
    subject = f"instance:{facts.instance_key}"
    return Finding(
        "log_gap", Severity.CRITICAL, f"Log of {facts.instance} is missing.",
        f"From {facts.from_position} to {facts.to_position}: {ended(facts.reason)} No instant in between "
        "can be restored. Take a new full backup, then acknowledge the gap.",
        subject, page("instances", facts.instance), f"log_gap:{facts.key}",
    )  # fmt: skip


def collector_findings(facts: CollectorFacts, now: datetime, retained_limit: int) -> Iterator[Finding]:
    """Everything that is off with one stream of log. A slot left behind matters always."""
    for finding in (
        slot_retained(facts, retained_limit),
        collector_failing(facts) if facts.wanted else None,
        log_late(facts, now) if facts.wanted else None,
    ):
        if finding is not None:
            yield finding


def log_late(facts: CollectorFacts, now: datetime) -> Finding | None:
    """The newest commit surely stored is older than the RPO target."""
    lag = facts.lag_seconds
    if facts.last_shipped_at is not None and now - facts.last_shipped_at > SILENT_AFTER:
        lag = max(lag or 0.0, (now - facts.last_shipped_at).total_seconds())
    if lag is None or lag <= facts.rpo_seconds:
        return None
    shipped = f" Last stored {clock.iso(facts.last_shipped_at)}." if facts.last_shipped_at else ""
    return _finding(
        facts, "log_late", Severity.CRITICAL,
        f"Log of {facts.instance} is stored later than its RPO target of {seconds(facts.rpo_seconds)}.",
        f"It is {span(timedelta(seconds=lag))} behind.{shipped} Is a collector running?",
    )  # fmt: skip


def collector_failing(facts: CollectorFacts) -> Finding | None:
    if facts.failures < FAILURES:
        return None
    return _finding(
        facts, "collector_failing", Severity.WARNING, f"Log of {facts.instance} cannot be collected.",
        f"It failed {facts.failures} times in a row: {ended(facts.last_error)}",
    )  # fmt: skip


def slot_retained(facts: CollectorFacts, limit: int) -> Finding | None:
    """A slot nobody reads from makes the server keep its log until the disk is full."""
    if facts.slot_status == "lost":
        return _finding(
            facts, "slot_retained", Severity.CRITICAL,
            f"The replication slot of {facts.instance} is lost.",
            f"The server removed log that {facts.slot_name} still needed. A new full backup is needed.",
        )  # fmt: skip
    retained = facts.slot_retained_bytes or 0
    soon_lost = facts.slot_status == "unreserved"
    if retained <= limit and not soon_lost:
        return None
    severity = Severity.CRITICAL if retained > 2 * limit or soon_lost else Severity.WARNING
    return _finding(
        facts, "slot_retained", severity,
        f"The replication slot of {facts.instance} keeps too much log on the server.",
        f"{facts.slot_name} keeps {size(retained)}; the limit is {size(limit)}. Start a collector, or drop "
        "the slot before the server's disk is full.",
    )  # fmt: skip


def _finding(facts: CollectorFacts, rule: str, severity: Severity, title: str, detail: str) -> Finding:
    return Finding(
        rule, severity, title, detail, f"instance:{facts.instance_key}", page("instances", facts.instance)
    )
