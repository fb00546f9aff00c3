"""Smoke tests are refused when they are written down, not when a restore would need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalog.models import Instance
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.models import AuditEvent
from restores.models import SmokeTest
from restores.services.restore_account import restore_settings_set
from restores.services.smoke_test import (
    allowed_hosts,
    smoke_test_add,
    smoke_test_change,
    smoke_test_remove,
)
from tests.catalog.conftest import make_instance, person, repository

__all__ = ["make_instance", "person", "repository"]
ACTOR = "system:test"
SQL: dict[str, Any] = {"name": "rows", "question": "SELECT count(*) > 0 FROM orders", "expected": "t"}


def test_added_changed_and_removed_with_their_events(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance()
    row = smoke_test_add(actor=ACTOR, instance=instance, **SQL)
    smoke_test_change(actor=ACTOR, test=row, enabled=False)
    row.refresh_from_db()
    assert (row.kind, row.expected, row.enabled) == ("sql", "t", False)
    smoke_test_remove(actor=ACTOR, test=row)
    assert not SmokeTest.objects.exists()
    verbs = AuditEvent.objects.filter(verb__startswith="smoke_test.").order_by("sequence")
    assert [each.verb for each in verbs] == ["smoke_test.added", "smoke_test.changed", "smoke_test.removed"]


@pytest.mark.parametrize(
    "field, fields",
    [
        ("question", SQL | {"question": "DELETE FROM orders"}),
        ("question", SQL | {"question": ""}),
        ("question", {"name": "page", "kind": "http", "question": "https://elsewhere.example/"}),
        ("question", {"name": "page", "kind": "http", "question": "http://shop.example:8080/"}),
        ("question", {"name": "page", "kind": "http", "question": "https://me:secret@shop.example/"}),
        ("kind", SQL | {"kind": "shell"}),
        ("nonsense", SQL | {"nonsense": 1}),
    ],
)
def test_what_could_not_be_asked_is_refused(
    make_instance: Callable[..., Instance], field: str, fields: dict[str, Any]
) -> None:
    instance = make_instance()
    restore_settings_set(actor=ACTOR, instance=instance, http_prefixes=["https://shop.example/"])
    with pytest.raises(InvalidInput) as refused:
        smoke_test_add(actor=ACTOR, instance=instance, **fields)
    assert refused.value.code == f"input.{field}"
    assert not SmokeTest.objects.exists()


def test_a_page_below_an_address_of_the_list_may_be_asked(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance()
    restore_settings_set(
        actor=ACTOR, instance=instance, http_prefixes=["https://shop.example/", "127.0.0.1:8080"]
    )
    smoke_test_add(
        actor=ACTOR, instance=instance, name="page", kind="http", question="https://shop.example/health"
    )
    assert allowed_hosts(instance) == {"shop.example:443", "127.0.0.1:8080"}
    with pytest.raises(InvalidInput):
        restore_settings_set(actor=ACTOR, instance=instance, http_prefixes=["ftp://shop.example/"])


def test_a_viewer_adds_none(make_instance: Callable[..., Instance], person: Callable[..., Any]) -> None:
    with pytest.raises(ForeseenError) as refused:
        smoke_test_add(actor=person("victor"), instance=make_instance(), **SQL)
    assert refused.value.code == "access.denied"
