"""Does the installation itself work?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from catalog.rules.facts import WorkFacts
from catalog.rules.words import ended, span
from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import Severity

STUCK_AFTER = timedelta(minutes=10)
SWEEP_WITHIN = timedelta(minutes=5)
AUDIT_WITHIN = timedelta(hours=6)
HEALTH = "/health/"


def work_findings(facts: WorkFacts, now: datetime) -> Iterator[Finding]:
    if facts.stop_reason is not None:
        yield stop_active(facts.stop_reason)
    if facts.key_problem:
        yield key_unreachable(facts.key_problem)
    yield from workers_missing(facts, now)
    if (stuck := queue_stuck(facts, now)) is not None:
        yield stuck


def audit_late(due_at: datetime, note: str, now: datetime) -> Finding | None:
    """Once a month: nobody would miss it."""
    if now - due_at <= AUDIT_WITHIN:
        return None
    return Finding(
        "retention_audit_late", Severity.WARNING, "The retention audit is overdue.",
        f"It was due {clock.iso(due_at)}. {note}".strip(), "", "/retention/",
    )  # fmt: skip


def stop_active(reason: str) -> Finding:
    return Finding(
        "stop_active", Severity.CRITICAL, ended(f"The emergency stop is active: {reason}"),
        "Nothing is backed up, verified or restored until it is lifted.", "", HEALTH,
    )  # fmt: skip


def key_unreachable(problem: str) -> Finding:
    return Finding(
        "key_unreachable", Severity.CRITICAL, "The key-encryption keys cannot be read.",
        f"{ended(problem)} No backup can be taken, verified or restored without them.", "", "/repositories/",
    )  # fmt: skip


def workers_missing(facts: WorkFacts, now: datetime) -> Iterator[Finding]:
    """A machine that worked lately and is silent now; or nobody sweeps, which means that nobody works."""
    for host, seen in facts.silent_workers:
        yield Finding(
            "worker_missing", Severity.WARNING, f"The worker on {host} does not answer.",
            f"Last heard of {clock.iso(seen)}. Start it; after seven days of silence it is forgotten.",
            f"worker:{host}", HEALTH,
        )  # fmt: skip
    if facts.swept_at is None or now - facts.swept_at > SWEEP_WITHIN:
        when = "never" if facts.swept_at is None else clock.iso(facts.swept_at)
        yield Finding(
            "worker_missing", Severity.CRITICAL, "Nobody works: no worker takes jobs.",
            f"The sweeper last came through the queue: {when}. Start manage.py qcluster.", "", HEALTH,
        )  # fmt: skip


def queue_stuck(facts: WorkFacts, now: datetime) -> Finding | None:
    if facts.waiting_since is None or now - facts.waiting_since <= STUCK_AFTER:
        return None
    return Finding(
        "queue_stuck", Severity.WARNING, "Work waits and nobody takes it.",
        f"{facts.waiting} jobs wait, the oldest for {span(now - facts.waiting_since)}. Start more workers, "
        "or see what those there are busy with.", "", "/jobs/",
    )  # fmt: skip
