"""Pages ask the database the same number of questions, whatever is in it, and get their answers quickly."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import OuterRef
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from catalog import selectors
from catalog.models import Backup, Instance, Repository, Tier, Verification
from catalog.selectors.instances import instance_detail
from dataprotect.core import clock

PAGES: dict[str, Callable[[Any], Any]] = {
    "overview": lambda user: selectors.overview(user=user),
    "instances": lambda user: list(selectors.instance_list(user=user)[:50]),
    "instance": lambda user: instance_detail(user=user, name="i00001"),
    "backups": lambda user: list(selectors.backup_list(user=user)[:50]),
    "how many backups": lambda user: selectors.backup_list(user=user).count(),
    "backup": lambda user: selectors.backup_detail(user=user, backup_id="i00001-0"),
    "repositories": lambda user: list(selectors.repository_list(user=user)),
    "jobs": lambda user: list(selectors.job_list(user=user)[:50]),
}  # fmt: skip


def fill(repository: Repository, first: int, instances: int, backups: int) -> None:
    """`instances` more, each with `backups`, one a day, the newest of them restore-tested."""
    now, tiers = clock.now(), list(Tier.objects.all())
    rows = Instance.objects.bulk_create(
        Instance(
            name=f"i{number:05}", identifier=f"i{number:05}", host="127.0.0.1", user="u",
            repository=repository, tier=tiers[number % 3],
        )
        for number in range(first, first + instances)
    )  # fmt: skip
    made = Backup.objects.bulk_create(
        (
            Backup(
                backup_id=f"{row.name}-{day}", instance=row, repository=repository, state="checked",
                state_changed_at=now, started_at=now - timedelta(days=day, minutes=5),
                stopped_at=now - timedelta(days=day), seconds=300, start_position="0/1", stop_position="0/2",
            )
            for row in rows
            for day in range(backups)
        ),
        batch_size=2000,
    )  # fmt: skip
    newest = [backup for backup in made if backup.backup_id.endswith("-0")]
    Verification.objects.bulk_create(
        Verification(
            backup=backup, level="restore", passed=True, checks=[], seconds=60, rto_seconds=60,
            started_at=now, finished_at=now,
        )
        for backup in newest
    )  # fmt: skip
    good = Backup.objects.filter(instance=OuterRef("pk"), backup_id__endswith="-0")
    proof = Verification.objects.filter(backup__instance=OuterRef("pk")).values("pk")[:1]
    Instance.objects.filter(pk__in=Backup.objects.filter(pk__gte=made[0].pk).values("instance")).update(
        last_good_backup=good.values("pk")[:1], last_good_at=good.values("stopped_at")[:1],
        last_restore_test=proof, rto_evidence=proof,
    )  # fmt: skip


def count(page: Callable[[Any], Any], user: Any) -> int:
    if isinstance(user, User):
        user = User.objects.get(pk=user.pk)  # no permissions remembered from before
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page(user)
    return len(queries)


@pytest.fixture
def viewers(person: Callable[..., User]) -> dict[str, User]:
    return {
        "auditor": person("ann", "auditor"),
        "dba": person("bob", "DBA"),
        "superuser": person("root", is_superuser=True),
    }


def test_the_number_of_queries_is_constant(repository: Repository, viewers: dict[str, User]) -> None:
    fill(repository, 0, 3, 3)
    for instance in Instance.objects.all():
        assign_perm("view_instance", viewers["dba"], instance)
    for page in PAGES.values():  # Django remembers content types for the life of the process
        page(User.objects.get(username="bob"))
    few = {(name, who): count(page, viewers[who]) for name, page in PAGES.items() for who in viewers}
    fill(repository, 3, 120, 12)
    for instance in Instance.objects.filter(name__gt="i00002"):
        assign_perm("view_instance", viewers["dba"], instance)
    many = {(name, who): count(page, viewers[who]) for name, page in PAGES.items() for who in viewers}
    assert few == many
    assert max(many.values()) <= 20


def test_ten_thousand_instances_are_answered_quickly(
    repository: Repository, viewers: dict[str, User]
) -> None:
    """A generous bound that a query per instance, or a scan per row, would break by far."""
    fill(repository, 0, 10_000, 5)
    for name, page in PAGES.items():
        page(viewers["auditor"])
        began = time.monotonic()
        page(viewers["auditor"])
        took = time.monotonic() - began
        assert took < 2.0, (name, took)


def test_the_overview_shows_the_worst_first(
    repository: Repository, viewers: dict[str, User], make_instance: Callable[..., Instance]
) -> None:
    fill(repository, 0, 5, 3)
    make_instance("zzz-never")
    page = selectors.overview(user=viewers["auditor"])
    assert page.rows[0].instance.name == "zzz-never"
    assert page.severity == "danger"
    assert page.attention[0].kind == "never_backed_up"
    assert page.counts.total == 6
    assert "zzz-never" in page.sentence
    only = selectors.overview(user=viewers["auditor"], severity="ok")
    assert only.filtered and {row.severity for row in only.rows} <= {"ok"}
    assert selectors.overview(user=viewers["auditor"], search="no\0such").rows == []
