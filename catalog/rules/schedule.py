"""Did what was due happen?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from catalog.rules.facts import DueFacts
from catalog.rules.words import page, span
from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import Severity


def due_findings(facts: DueFacts, now: datetime) -> Iterator[Finding]:
    """Missed: whole occurrences went by. Overdue: it has not succeeded for longer than its policy allows."""
    what = facts.kind.lower()
    if facts.missed:
        times = "once" if facts.missed == 1 else f"{facts.missed} times"
        yield _finding(
            facts, "backup_missed", f"The {what} of {facts.instance} was missed {times}.",
            f"The one due {clock.iso(facts.due_at)} makes up for it. {facts.note}".strip(),
        )  # fmt: skip
    late = now - facts.due_at
    if late > timedelta(seconds=facts.late_after_seconds):
        yield _finding(
            facts, "backup_overdue", f"The {what} of {facts.instance} is overdue.",
            f"It was due {clock.iso(facts.due_at)}, {span(late)} ago. {facts.note}".strip(),
        )  # fmt: skip


def _finding(facts: DueFacts, rule: str, title: str, detail: str) -> Finding:
    subject = f"instance:{facts.instance_key}"
    return Finding(
        rule, Severity.WARNING, title, detail, subject, page("instances", facts.instance),
        f"{rule}:{subject}:{facts.kind}",
    )  # fmt: skip
