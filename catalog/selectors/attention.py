"""The attention list: what needs a person, the worst first, each with what it is about.

One source of truth with the alerts: what this page looks at anyway is judged by the same rules, right now;
what it does not look at comes from the alerts that are not over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from catalog.models import Backup, Instance, Repository
from catalog.rules import RULES, places, protection, work
from catalog.rules.facts import BackupFacts, FailedBackup, InstanceFacts, RepositoryFacts
from catalog.selectors.alerts import alert_list
from catalog.selectors.facts import failed_backups, logged_until
from catalog.selectors.problems import Problems, ranked
from catalog.selectors.repositories import repository_list
from catalog.selectors.visible import Viewer, backups_visible
from catalog.states import BackupState, RepositoryState
from dataprotect.ops import stop
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import AlertState, Severity
from dataprotect.ops.models import Alert, Job

LONGEST = 50
_FEW = 20
SELECTED = ("tier", "last_restore_test", "rto_evidence", "last_good_backup")
JUDGED_HERE = (
    "stop_active",
    "repository_unreachable",
    "never_backed_up",
    "restore_test_failed",
    "backup_damaged",
    "rpo_breached",
    "backup_failed",
    "rto_breached",
    "unreachable",
    "never_restore_tested",
)
_ORDER = {
    kind: number
    for number, kind in enumerate(
        (
            "stop_active", "key_unreachable", "repository_unreachable", "never_backed_up",
            "restore_test_failed", "pitr_test_failed", "backup_damaged", "rpo_breached", "log_gap",
            "log_damaged", "log_late", "audit_broken", "worker_missing", "bad_pages",
            "slot_retained", "repository_filling", "backup_failed", "backup_missed", "backup_overdue",
            "rto_breached", "unreachable", "clock_skew",
        )
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttentionItem:
    kind: str
    """The rule, one of `catalog.rules.RULES`."""
    severity: str
    """danger or warn"""
    sentence: str
    about: Instance | Backup | Repository | None
    """What the line links to; None for the installation itself, and where `alert` is given."""
    since: datetime | None = None
    job: Job | None = None
    alert: Alert | None = None


def attention(
    *, user: Viewer, visible: QuerySet[Instance], problems: Problems, counts_bad: int
) -> tuple[list[AttentionItem], int]:
    """At most 50 items, and how many instances with a problem were not looked at. Eight queries."""
    failed = failed_backups(problems.now)
    shaky = problems.danger | problems.warn | problems.failed(failed)
    worst = list(ranked(visible.filter(shaky), problems).select_related(*SELECTED)[:LONGEST])
    items = [*_stop(), *_repositories(user), *_damaged(user), *_instances(worst, failed, problems.now)]
    items += _alerts(user)
    items.sort(key=lambda item: (_ORDER.get(item.kind, len(_ORDER)), item.severity))
    return items[:LONGEST], max(0, counts_bad - len(worst))


def _stop() -> list[AttentionItem]:
    reason = stop.stop_reason()
    return [] if reason is None else [_item(work.stop_active(reason), None)]


def _repositories(user: Viewer) -> list[AttentionItem]:
    found = []
    for row in repository_list(user=user).filter(state=RepositoryState.UNREACHABLE)[:_FEW]:
        facts = RepositoryFacts(row.pk, row.name, unreachable=True, problem=row.problem)
        if (finding := places.repository_unreachable(facts)) is not None:
            found.append(_item(finding, row, row.checked_at))
    return found


def _damaged(user: Viewer) -> list[AttentionItem]:
    bad = (
        backups_visible(user=user)
        .filter(state__in=(BackupState.DAMAGED, BackupState.MISSING))
        .select_related("instance")
        .order_by("-stopped_at")[:_FEW]
    )
    return [
        _item(
            protection.backup_damaged(
                BackupFacts(
                    backup.backup_id, backup.instance.name, backup.get_state_display().lower(),
                    backup.state_changed_at,
                )
            ),
            backup,
        )
        for backup in bad
    ]  # fmt: skip


def _instances(
    instances: list[Instance], failed: dict[int, FailedBackup], now: datetime
) -> list[AttentionItem]:
    """Needs tier, last_restore_test and rto_evidence selected. Two queries."""
    keys = [instance.pk for instance in instances]
    logged = logged_until(Instance.objects.filter(pk__in=keys))
    jobs = Job.objects.in_bulk([failed[key].job for key in keys if key in failed])
    found = []
    for instance in instances:
        facts = _facts(instance, failed.get(instance.pk), logged.get(instance.pk))
        for finding in protection.instance_findings(facts, now):
            if finding.rule in JUDGED_HERE:
                of_job = finding.rule == "backup_failed" and facts.failed_backup is not None
                job = jobs.get(facts.failed_backup.job) if of_job and facts.failed_backup else None
                found.append(_item(finding, instance, job=job))
    return found


def _facts(instance: Instance, failed: FailedBackup | None, logged: datetime | None) -> InstanceFacts:
    test, evidence = instance.last_restore_test, instance.rto_evidence
    return InstanceFacts(
        key=instance.pk,
        name=instance.name,
        created_at=instance.created_at,
        rpo_seconds=instance.tier.rpo_seconds,
        rto_seconds=instance.tier.rto_seconds,
        last_good_at=instance.last_good_at,
        recoverable_at=logged,
        failed_backup=failed,
        test_passed=test.passed if test else None,
        tested_at=test.finished_at if test else None,
        measured_rto=evidence.rto_seconds if evidence else None,
        measured_at=evidence.finished_at if evidence else None,
        probe_problem=instance.probe_problem,
        probed_at=instance.probed_at,
    )


def _alerts(user: Viewer) -> list[AttentionItem]:
    """What this page does not look at itself, unless somebody snoozed it or it is only good to know."""
    rules = [code for code in RULES if code not in JUDGED_HERE]
    awake = (
        alert_list(user=user)
        .filter(rule__in=rules, state__in=(AlertState.OPEN, AlertState.ACKNOWLEDGED))
        .exclude(severity=Severity.INFO)
    )
    return [
        AttentionItem(alert.rule, _tone(alert.severity), alert.title, None, alert.first_seen_at, alert=alert)
        for alert in awake.order_by("first_seen_at")[:LONGEST]
    ]


def _item(
    finding: Finding,
    about: Instance | Backup | Repository | None,
    since: datetime | None = None,
    job: Job | None = None,
) -> AttentionItem:
    tone = _tone(finding.severity)
    return AttentionItem(finding.rule, tone, finding.title, about, since or finding.since, job)


def _tone(severity: str) -> str:
    return "danger" if severity == Severity.CRITICAL else "warn"
