"""The attention list: what needs a person, the worst first, each with what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from catalog.models import Backup, Instance, Repository
from catalog.selectors.problems import Problems, ranked
from catalog.selectors.repositories import repository_list
from catalog.selectors.strip import BACKUP_TASK
from catalog.selectors.visible import Viewer, backups_visible
from catalog.states import BackupState, RepositoryState
from dataprotect.ops import stop
from dataprotect.ops.models import Job

LONGEST = 50
_RECENT = timedelta(days=7)
_FEW = 20
SELECTED = ("tier", "last_restore_test", "rto_evidence", "last_good_backup")


@dataclass(frozen=True, slots=True)
class AttentionItem:
    kind: str
    """stop_active, repository_unreachable, never_backed_up, restore_test_failed, backup_damaged,
    rpo_breached, backup_failed, rto_breached, unreachable, never_restore_tested"""
    severity: str
    """danger or warn"""
    sentence: str
    about: Instance | Backup | Repository | None
    """What the line links to; None for the emergency stop."""
    since: datetime | None = None
    job: Job | None = None


_ORDER = {
    kind: number
    for number, kind in enumerate(
        (
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
    )
}


def attention(
    *, user: Viewer, visible: QuerySet[Instance], problems: Problems, counts_bad: int
) -> tuple[list[AttentionItem], int]:
    """At most 50 items, and how many instances with a problem were not looked at. Six queries."""
    wrong = visible.filter(problems.danger | problems.warn)
    worst = list(ranked(wrong, problems).select_related(*SELECTED)[:LONGEST])
    items = [*_stop(), *_repositories(user), *_damaged(user), *_failed(visible, problems.now)]
    for instance in worst:
        items.extend(_of_instance(instance, problems.now))
    items.sort(key=lambda item: _ORDER[item.kind])
    return items[:LONGEST], max(0, counts_bad - len(worst))


def _stop() -> list[AttentionItem]:
    reason = stop.stop_reason()
    if reason is None:
        return []
    return [
        AttentionItem("stop_active", "danger", f"The emergency stop is active: {reason.rstrip('. ')}.", None)
    ]


def _repositories(user: Viewer) -> list[AttentionItem]:
    return [
        AttentionItem(
            "repository_unreachable",
            "danger",
            f"The repository {repository.name} cannot be used: {repository.problem}",
            repository,
            repository.checked_at,
        )
        for repository in repository_list(user=user).filter(state=RepositoryState.UNREACHABLE)[:_FEW]
    ]


def _damaged(user: Viewer) -> list[AttentionItem]:
    bad = (
        backups_visible(user=user)
        .filter(state__in=(BackupState.DAMAGED, BackupState.MISSING))
        .select_related("instance")
        .order_by("state", "-stopped_at")[:_FEW]  # the order of an index: few are bad among a million
    )
    return [
        AttentionItem(
            "backup_damaged",
            "danger",
            f"The backup {backup.backup_id} is {backup.get_state_display().lower()}.",
            backup,
            backup.state_changed_at,
        )
        for backup in bad
    ]


def _failed(visible: QuerySet[Instance], now: datetime) -> list[AttentionItem]:
    """Instances whose latest attempts failed: a failure newer than the last good backup."""
    newest: dict[int, Job] = {}
    recent = Job.objects.filter(
        task=BACKUP_TASK, state__in=("failed", "errored"), created_at__gte=now - _RECENT
    ).order_by("-created_at")[: 10 * _FEW]
    for job in recent:
        kind, _, key = job.subject.partition(":")
        if kind == "instance" and key.isdigit():
            newest.setdefault(int(key), job)
    return [
        AttentionItem(
            "backup_failed",
            "warn",
            f"The last backup of {instance.name} failed: {newest[instance.pk].error_message}",
            instance,
            newest[instance.pk].created_at,
            newest[instance.pk],
        )
        for instance in visible.filter(pk__in=list(newest))
        if instance.last_good_at is None or instance.last_good_at < newest[instance.pk].created_at
    ]


def _of_instance(instance: Instance, now: datetime) -> list[AttentionItem]:
    """What its own row says. Needs tier, last_restore_test and rto_evidence selected."""
    found: list[AttentionItem] = []
    test, evidence, target = instance.last_restore_test, instance.rto_evidence, instance.tier

    def add(kind: str, severity: str, sentence: str, since: datetime | None = None) -> None:
        found.append(AttentionItem(kind, severity, sentence, instance, since))

    if instance.last_good_at is None:
        add("never_backed_up", "danger", f"{instance.name} has never been backed up.", instance.created_at)
    elif now - instance.last_good_at > timedelta(seconds=target.rpo_seconds):
        words = f"{instance.name} would lose {span(now - instance.last_good_at)}"
        allowed = span(timedelta(seconds=target.rpo_seconds))
        add("rpo_breached", "danger", f"{words}; its RPO target is {allowed}.", instance.last_good_at)
    if test is not None and not test.passed:
        words = f"The last restore test of {instance.name} failed."
        add("restore_test_failed", "danger", words, test.finished_at)
    if evidence and evidence.rto_seconds and evidence.rto_seconds > target.rto_seconds:
        taken = span(timedelta(seconds=evidence.rto_seconds))
        allowed = span(timedelta(seconds=target.rto_seconds))
        words = f"{instance.name} took {taken} to restore; its RTO target is {allowed}."
        add("rto_breached", "warn", words, evidence.finished_at)
    if instance.probe_problem:
        words = f"{instance.name} cannot be reached: {instance.probe_problem}"
        add("unreachable", "warn", words, instance.probed_at)
    if test is None and instance.last_good_at is not None:
        add("never_restore_tested", "warn", f"{instance.name} has never been restore-tested.")
    return found


def span(length: timedelta) -> str:
    """`3 d 4 h`, `2 h 5 min`, `48 s`: the two largest units that say something."""
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"
