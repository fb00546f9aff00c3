"""Is each instance protected, and was that proved?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from catalog.rules.facts import BackupFacts, InstanceFacts
from catalog.rules.words import ended, page, seconds, span
from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import Severity

SKEW_WARNS, SKEW_IS_CRITICAL = 5.0, 60.0


def instance_findings(facts: InstanceFacts, now: datetime) -> Iterator[Finding]:
    """Everything that is off with one instance, the worst first."""
    for rule in (
        never_backed_up, restore_test_failed, pitr_test_failed, rpo_breached, backup_failed, rto_breached,
        unreachable, clock_skew, never_restore_tested,
    ):  # fmt: skip
        if (finding := rule(facts, now)) is not None:
            yield finding


def never_backed_up(facts: InstanceFacts, now: datetime) -> Finding | None:
    """Nothing good was ever stored: there is nothing to measure an RPO from."""
    if facts.last_good_at is not None:
        return None
    return _about(
        facts, "never_backed_up", Severity.CRITICAL, f"{facts.name} has never been backed up.",
        "Nothing of it could be restored. Take a full backup now.", facts.created_at,
    )  # fmt: skip


def rpo_breached(facts: InstanceFacts, now: datetime) -> Finding | None:
    """Longer without a recoverable point than the tier allows."""
    newest = facts.recoverable_at or facts.last_good_at
    if newest is None or now - newest <= timedelta(seconds=facts.rpo_seconds):
        return None
    allowed = seconds(facts.rpo_seconds)
    return _about(
        facts, "rpo_breached", Severity.CRITICAL,
        f"{facts.name} would lose more than its RPO target of {allowed}.",
        f"It would lose {span(now - newest)}: the newest instant that can be restored is {clock.iso(newest)}"
        ". Take a backup now, and see why the last one is late.", newest,
    )  # fmt: skip


def backup_failed(facts: InstanceFacts, now: datetime) -> Finding | None:
    """The newest attempt failed, and no good backup came after it."""
    failed = facts.failed_backup
    if failed is None or (facts.last_good_at is not None and facts.last_good_at >= failed.at):
        return None
    return _about(
        facts, "backup_failed", Severity.WARNING,
        ended(f"The last backup of {facts.name} failed: {failed.message}"),
        f"The job began {clock.iso(failed.at)}.", failed.at, f"/jobs/{failed.job}/",
    )  # fmt: skip


def restore_test_failed(facts: InstanceFacts, now: datetime) -> Finding | None:
    if facts.test_passed is not False:
        return None
    return _about(
        facts, "restore_test_failed", Severity.CRITICAL, f"The last restore test of {facts.name} failed.",
        "What it would bring back is not what was there. Look at its checks, and take a new backup.",
        facts.tested_at,
    )  # fmt: skip


def pitr_test_failed(facts: InstanceFacts, now: datetime) -> Finding | None:
    """A restore test that passes later does not end it: that one replays no log of the window."""
    failed = facts.failed_instant
    if failed is None:
        return None
    return _about(
        facts, "pitr_test_failed", Severity.CRITICAL,
        f"The last test of a random instant of {facts.name} failed.",
        f"{ended(failed.message)} An instant that a recovery window promises may not be restorable: take a "
        "new full backup, and look at the log.", failed.at, f"/jobs/{failed.job}/",
    )  # fmt: skip


def rto_breached(facts: InstanceFacts, now: datetime) -> Finding | None:
    """Measured by the newest restore test that passed."""
    if facts.measured_rto is None or facts.measured_rto <= facts.rto_seconds:
        return None
    taken, allowed = seconds(facts.measured_rto), seconds(facts.rto_seconds)
    return _about(
        facts, "rto_breached", Severity.WARNING,
        f"{facts.name} took {taken} to restore; its RTO target is {allowed}.",
        "Measured by its last restore test that passed.", facts.measured_at,
    )  # fmt: skip


def unreachable(facts: InstanceFacts, now: datetime) -> Finding | None:
    if not facts.probe_problem:
        return None
    title = ended(f"{facts.name} cannot be reached: {facts.probe_problem}")
    words = "Test the connection; a backup would fail as well."
    return _about(facts, "unreachable", Severity.WARNING, title, words, facts.probed_at)


def clock_skew(facts: InstanceFacts, now: datetime) -> Finding | None:
    """A restore to an instant is a restore to an instant of the server's clock."""
    if facts.clock_skew is None or abs(facts.clock_skew) < SKEW_WARNS:
        return None
    severity = Severity.CRITICAL if abs(facts.clock_skew) >= SKEW_IS_CRITICAL else Severity.WARNING
    side = "ahead of" if facts.clock_skew > 0 else "behind"
    return _about(
        facts, "clock_skew", severity, f"The clock of {facts.name} is wrong.",
        f"It is {abs(facts.clock_skew):.1f} s {side} this machine's: a restore to an instant would miss it "
        "by as much. Set both clocks by NTP.", facts.probed_at,
    )  # fmt: skip


def never_restore_tested(facts: InstanceFacts, now: datetime) -> Finding | None:
    if facts.last_good_at is None or facts.test_passed is not None:
        return None
    return _about(
        facts, "never_restore_tested", Severity.INFO, f"{facts.name} has never been restore-tested.",
        "A backup that has not been restored is not a backup. Start a restore test.",
    )  # fmt: skip


def backup_damaged(facts: BackupFacts) -> Finding:
    """Facts exist only for backups that are."""
    found = f" Found: {ended(facts.found)}" if facts.found else ""
    return Finding(
        rule="backup_damaged",
        severity=Severity.CRITICAL,
        title=f"The backup {facts.backup_id} is {facts.state}.",
        detail=f"It belongs to {facts.instance} and cannot be trusted, known since {clock.iso(facts.since)}."
        f"{found} Take a new full backup: later backups that build on this one cannot be trusted either.",
        subject=f"backup:{facts.backup_id}",
        link=page("backups", facts.backup_id),
        since=facts.since,
    )


def _about(
    facts: InstanceFacts,
    rule: str,
    severity: Severity,
    title: str,
    detail: str,
    since: datetime | None = None,
    link: str = "",
) -> Finding:
    link = link or page("instances", facts.name)
    return Finding(rule, severity, title, detail, facts.subject, link, since=since)
