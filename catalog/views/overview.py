"""The first screen: am I safe?"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from catalog.models import Instance, Repository
from catalog.selectors import AttentionItem, Overview, instances_visible, may, overview
from catalog.selectors.repositories import repository_list
from dataprotect.ops.selectors import profile_chosen
from dataprotect.ops.views.page import Request, page


class Step(NamedTuple):
    """One step of the way to the first proved backup."""

    state: str
    """`done`, `now` or `later`."""
    title: str
    text: str
    action: str
    url: str


class Matter(NamedTuple):
    """One line of the attention list: what, and the page that fixes it."""

    item: AttentionItem
    word: str
    action: str
    url: str


@page
def overview_page(request: Request) -> HttpResponse:
    number = request.GET.get("page", "1")
    seen = overview(user=request.user, page=int(number) if number.isdecimal() else 1)
    steps = _first_steps(request.user, seen)
    return render(
        request,
        "catalog/overview.html",
        {
            "seen": seen,
            "matters": [_matter(item) for item in seen.attention],
            "steps": steps,
            "detail": _detail(seen, steps),
            "ask_profile": request.user.has_perm("ops.choose_profile") and profile_chosen() is None,
        },
    )


def _detail(seen: Overview, steps: list[Step]) -> str:
    """The sentence below the sentence: how many of each, in words."""
    counts = seen.counts
    if steps:
        return "Three steps lead to the first proved backup."
    if not counts.total:
        return "No instance that you may see is registered here."
    parts = [(counts.danger, "in danger"), (counts.warn, "to look at"), (counts.ok, "protected and tried")]
    return " · ".join(f"{number:,} {words}" for number, words in parts if number)


WORDS = {
    "stop_active": ("Stop", "See the stop"),
    "repository_unreachable": ("Repository", "Check the repository"),
    "never_backed_up": ("Not protected", "Back it up"),
    "restore_test_failed": ("Restore test", "See what failed"),
    "pitr_test_failed": ("Instant", "See the test"),
    "backup_damaged": ("Damaged", "See the backup"),
    "rpo_breached": ("RPO", "Back it up"),
    "backup_failed": ("Backup failed", "See the job"),
    "rto_breached": ("RTO", "See the evidence"),
    "unreachable": ("Unreachable", "Test the connection"),
    "never_restore_tested": ("Not tested", "Start a restore test"),
    "key_unreachable": ("Keys", "See the alert"),
    "audit_broken": ("Audit chain", "See the alert"),
    "worker_missing": ("Workers", "See the alert"),
    "queue_stuck": ("Queue", "See the alert"),
    "repository_filling": ("Filling up", "See the alert"),
    "scrub_late": ("Rereading", "See the alert"),
    "backup_missed": ("Missed", "See the alert"),
    "backup_overdue": ("Overdue", "See the alert"),
    "clock_skew": ("Clock", "See the alert"),
    "retention_audit_late": ("Overdue", "See retention"),
    "retention_exceptions": ("Retention", "See the audit"),
    "size_anomaly": ("Size", "See the alert"),
    "bad_pages": ("Bad pages", "See the alert"),
    "log_gap": ("Log gap", "See the alert"),
    "log_damaged": ("Log damaged", "See the alert"),
    "log_late": ("Log late", "See the alert"),
    "slot_retained": ("Slot", "See the alert"),
    "collector_failing": ("Collector", "See the alert"),
    "channel_failing": ("Channel", "See the alert"),
    "log_refused": ("Log refused", "See the alert"),
    "log_base_needed": ("Log broke off", "See the alert"),
    "log_slot_orphaned": ("Slot", "See the alert"),
    "approval_waiting": ("Signatures", "See the alert"),
    "glass_broken": ("Glass broken", "See the alert"),
    "glass_review_overdue": ("Not reviewed", "See the alert"),
    "restore_failed": ("Restore failed", "See the alert"),
}


def _matter(item: AttentionItem) -> Matter:
    word, action = WORDS.get(item.kind, (item.kind, "Open"))
    return Matter(item, word, action, _address(item))


def _address(item: AttentionItem) -> str:
    """The page that fixes it."""
    about = item.about
    if item.alert is not None:
        return reverse("alert", args=[item.alert.pk])
    if item.job is not None:
        return reverse("job", args=[item.job.pk])
    if isinstance(about, Instance):
        return _address_of_instance(item.kind, about)
    if isinstance(about, Repository):
        return reverse("repository", args=[about.name])
    return reverse("backup", args=[about.backup_id]) if about is not None else reverse("health") + "#stop"


def _address_of_instance(kind: str, instance: Instance) -> str:
    if kind == "restore_test_failed" and instance.last_restore_test_id:
        return reverse("verification", args=[instance.last_restore_test_id])
    if kind == "rto_breached" and instance.rto_evidence_id:
        return reverse("verification", args=[instance.rto_evidence_id])
    if kind == "never_restore_tested" and instance.last_good_backup is not None:
        return reverse("backup", args=[instance.last_good_backup.backup_id])
    return reverse("instance", args=[instance.name])


def _first_steps(user: Any, seen: Overview) -> list[Step]:
    """Until the first good backup: add a repository, add an instance, back it up. Afterwards nothing."""
    if seen.counts.total > 1 or any(row.last_good_backup for row in seen.rows):
        return []
    if not may(user=user, permission="catalog.add_instance"):
        return []
    first = instances_visible(user=user).first()
    marks = _marks(repository_list(user=user).exists(), first is not None)
    may_place = may(user=user, permission="catalog.add_repository")
    places = [
        reverse("repository_add") if may_place else "",
        reverse("instance_add"),
        reverse("instance", args=[first.name]) if first else "",
    ]
    return [Step(mark, *words, place) for mark, words, place in zip(marks, STEPS, places, strict=True)]


STEPS = (
    ("Add a repository", "Where encrypted backups are kept: a folder or a bucket.", "Add repository"),
    ("Add an instance", "A PostgreSQL server, and an account that may read all of it.", "Add instance"),
    ("Take the first backup", "It is read back and checked at once. Then test that it restores.", "Open it"),
)


def _marks(has_repository: bool, has_instance: bool) -> tuple[str, str, str]:
    if has_instance:
        return "done", "done", "now"
    return ("done", "now", "later") if has_repository else ("now", "later", "later")
