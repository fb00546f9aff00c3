"""What the adviser is asked with: rows where something was measured, else a guess that says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog.models import Backup, Instance, Repository
from catalog.selectors.advice import advice
from catalog.services.bandwidth import bandwidth_of, bandwidth_of_scrub
from catalog.services.repository_update import repository_update
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.models import AuditEvent

GIB = 1 << 30


def test_nothing_measured_is_all_a_guess(
    protected: Callable[..., Instance], person: Callable[..., User]
) -> None:
    protected(size_bytes=50 * GIB)
    found = advice(user=person("ann", "auditor"), name="orders")
    guessed = {name for name, figure in found.figures.items() if figure.guess}
    assert found.guess and guessed == set(found.figures) - {"size"}
    assert found.costs[0].per_month is None


def test_what_was_measured_is_named(
    protected: Callable[..., Instance], make_backup: Callable[..., Backup], person: Callable[..., User]
) -> None:
    instance, now = protected(), clock.now()
    Repository.objects.update(price_per_gb_month="0.023")
    first = make_backup(
        instance, now - timedelta(days=10), bytes_read=40 * GIB, bytes_stored=10 * GIB, stop_position="1/0"
    )
    newest = make_backup(
        instance, now - timedelta(days=3), bytes_read=47 * GIB, bytes_stored=12 * GIB, stop_position="8/0"
    )
    make_backup(instance, now - timedelta(days=2), type="incremental", bytes_stored=GIB, stop_position="9/0")
    first.verifications.create(
        level="restore", passed=True, checks=[], seconds=500, rto_seconds=500, timings={"fetch": 400.0},
        bytes_read=40 * GIB, started_at=now, finished_at=now,
    )  # fmt: skip
    viewer = person("ann", "auditor")
    with CaptureQueriesContext(connection) as queries:
        found = advice(user=viewer, name="orders")
    assert len(queries) <= 8
    figures = found.figures
    assert figures["size"].value == 47 * GIB and newest.backup_id in figures["size"].source
    assert figures["growth_per_day"].value == pytest.approx(GIB)
    assert figures["log_per_day"].value == pytest.approx(8 * (1 << 32) / 8)
    assert figures["changed_per_day"].value == pytest.approx(GIB * 47 / 12)
    assert figures["restore_rate"].value == pytest.approx(GIB / 10)
    assert figures["backup_rate"].value == pytest.approx(47 * GIB / 300)
    assert {name for name, figure in figures.items() if figure.guess} == {"replay_rate"}
    first.verifications.update(bytes_replayed=GIB, timings={"fetch": 400.0, "recovery": 20.0})
    found = advice(user=viewer, name="orders")
    assert found.figures["replay_rate"].value == pytest.approx(GIB / 20)
    assert not found.guess and "measured by the restore test" in found.restore.detail
    assert found.costs[3].per_month > found.costs[0].per_month > 0  # type: ignore[operator]


def test_limits_and_prices_are_set_by_who_runs_storage(
    person: Callable[..., User], protected: Callable[..., Instance], repository: Repository
) -> None:
    operator = person("otto", "operator")
    row = repository_update(
        actor=operator, repository=repository, bandwidth_limit=8_000_000, max_concurrent=3,
        price_per_gb_month="0.023", price_currency="EUR",
    )  # fmt: skip
    assert AuditEvent.objects.get(verb="repository.changed").data["after"]["price_currency"] == "EUR"
    instance = protected()
    assert bandwidth_of(instance, row) == 2_000_000, "an even share, so that the limit always holds"
    assert bandwidth_of_scrub(row, 0) == 2_000_000 and bandwidth_of_scrub(row, 500_000) == 500_000
    instance.policy.bandwidth_limit = 1_000_000  # type: ignore[union-attr]
    assert bandwidth_of(instance, row) == 1_000_000, "the smaller of the two"
    for field, value in (
        ("price_currency", "euro"), ("price_per_gb_month", "free"), ("max_concurrent", 0), ("url", "/x"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            repository_update(actor=operator, repository=repository, **{field: value})
    out = StringIO()
    call_command(
        "change_repository", "local", "--bandwidth-limit", "none", "--max-concurrent", "5", stdout=out
    )
    assert out.getvalue() == "The repository local takes 5 at once, as fast as it goes.\n"
    repository.refresh_from_db()
    assert (repository.bandwidth_limit, str(repository.price_per_gb_month)) == (None, "0.02300")
    with pytest.raises(ForeseenError) as refused:
        repository_update(actor=person("ann", "auditor"), repository=repository, max_concurrent=1)
    assert refused.value.code == "access.denied"


def test_the_api_answers_with_advice_and_takes_limits(
    person: Callable[..., User], protected: Callable[..., Instance], settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = False
    protected(size_bytes=50 * GIB)
    client = Client()
    client.force_login(person("lena", "DBA Lead"))
    answer = client.get("/api/v1/instances/orders/advice").json()
    assert answer["guess"] is True and answer["reasons"]
    changed = client.patch(
        "/api/v1/repositories/local", {"max_concurrent": 2}, content_type="application/json"
    ).json()
    assert (changed["max_concurrent"], changed["bandwidth_limit"]) == (2, None)
