"""Am I safe? One sentence with the worst of all, what needs a person, then every instance as a row.

The number of queries is constant, whatever is in the catalog; only a page of rows is ever loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet

from catalog.models import Instance
from catalog.selectors.attention import AttentionItem, attention
from catalog.selectors.facts import logged_until
from catalog.selectors.plans import schedule_states
from catalog.selectors.problems import Problems, ranked
from catalog.selectors.rows import InstanceRow, instance_row
from catalog.selectors.strip import strips
from catalog.selectors.visible import Viewer, can_exist, instances_visible
from dataprotect.core import clock

_SELECTED = ("tier", "repository", "last_good_backup", "last_restore_test", "rto_evidence")


@dataclass(frozen=True, slots=True)
class Counts:
    """Visible instances: all of them, and by the worst thing about each."""

    total: int
    danger: int
    warn: int

    @property
    def ok(self) -> int:
        return self.total - self.danger - self.warn


@dataclass(frozen=True, slots=True)
class Overview:
    severity: str
    """danger, warn, ok, or idle when nothing is protected yet"""
    sentence: str
    counts: Counts
    attention: list[AttentionItem]
    """The worst first, at most 50."""
    attention_more: int
    """Instances with something wrong that did not fit into the list."""
    rows: list[InstanceRow]
    page: Page[Instance]
    filtered: bool
    """A filter is set: an empty page then means "nothing matches", not "nothing is there"."""


def overview(
    *,
    user: Viewer,
    search: str = "",
    environment: str = "",
    tier: str = "",
    severity: str = "",
    page: int = 1,
    per_page: int = 50,
    now: datetime | None = None,
) -> Overview:
    """Rows with the worst first, then by name."""
    at = now or clock.now()
    problems = Problems.at(at)
    visible = instances_visible(user=user)
    counts = _counts(visible, problems)
    wanted = _filtered(visible, problems, search, environment, tier, severity)
    shown = Paginator(ranked(wanted, problems).select_related(*_SELECTED), per_page).get_page(page)
    instances = list(shown.object_list)
    days = strips(instances=instances, now=at)
    logged = logged_until(Instance.objects.filter(pk__in=[instance.pk for instance in instances]))
    plans = schedule_states(instances, at)
    items, more = attention(
        user=user, visible=visible, problems=problems, counts_bad=counts.total - counts.ok
    )
    word, sentence = _verdict(counts, items)
    return Overview(
        severity=word,
        sentence=sentence,
        counts=counts,
        attention=items,
        attention_more=more,
        rows=[instance_row(one, days[one.pk], at, plans[one.pk], logged.get(one.pk)) for one in instances],
        page=shown,
        filtered=bool(search or environment or tier or severity),
    )


def _counts(visible: QuerySet[Instance], problems: Problems) -> Counts:
    found = visible.aggregate(
        total=Count("pk"),
        danger=Count("pk", filter=problems.danger),
        warn=Count("pk", filter=problems.warn & ~problems.danger),
    )
    return Counts(found["total"], found["danger"], found["warn"])


def _filtered(
    visible: QuerySet[Instance], problems: Problems, search: str, environment: str, tier: str, severity: str
) -> QuerySet[Instance]:
    if not all(map(can_exist, (search, environment, tier))):
        return visible.none()
    if search:
        visible = visible.filter(Q(name__icontains=search) | Q(host__icontains=search))
    if environment:
        visible = visible.filter(environment=environment)
    if tier:
        visible = visible.filter(tier__name=tier)
    if severity:
        visible = visible.filter(problems.of(severity))
    return visible


def _verdict(counts: Counts, items: list[AttentionItem]) -> tuple[str, str]:
    """The one sentence, and how bad it is."""
    if items and items[0].kind == "stop_active":
        return "danger", items[0].sentence
    if not counts.total:
        return "idle", "Nothing is protected yet."
    if counts.danger:
        subject = "1 instance" if counts.danger == 1 else f"{counts.danger} instances"
        worst = next((item.sentence for item in items if item.severity == "danger"), "")
        return "danger", f"{subject} of {counts.total} cannot be restored as agreed. {worst}".strip()
    if counts.warn or items:
        number = max(counts.warn, 1)
        subject = "1 instance needs" if number == 1 else f"{number} instances need"
        return "warn", f"Everything can be restored, but {subject} attention."
    subject = "The one instance" if counts.total == 1 else f"All {counts.total} instances"
    return "ok", f"{subject} can be restored within the agreed targets, and it was tried."
