"""What the wizard asks for, and what it says of an answer that will not do."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Instance
from restores.forms import SourceForm, SubmitForm, TargetForm

pytestmark = pytest.mark.django_db


def source(**answers: str) -> dict[str, list[str]]:
    form = SourceForm(answers, instances=Instance.objects.all())
    return {name: list(said) for name, said in form.errors.items()}


def target(scope: str, **answers: Any) -> TargetForm:
    return TargetForm(answers, instances=Instance.objects.all(), scope=scope)


def test_an_instant_or_a_backup_and_one_sentence_about_what_is_wrong(make_instance) -> None:
    asked = {"instance": make_instance("orders-db").name, "scope": "test"}
    assert source(**asked)["at"] == ["Expected an instant, or one backup."]
    assert source(**asked, at="latest", backup="b1")["at"] == ["Expected an instant, or one backup."]
    (said,) = source(**asked, at="yesterday")["at"]
    assert said.startswith("Expected an instant such as")
    assert source(**asked, at="latest") == source(**asked, backup="b1") == {}


@pytest.mark.parametrize(
    ("scope", "needed"),
    [
        ("database", {"target_instance", "databases"}),
        ("databases", {"target_instance", "databases"}),
        ("table", {"target_instance", "databases", "tables"}),
        ("system", {"target_instance"}),
    ],
)
def test_what_each_scope_needs(make_instance, scope: str, needed: set[str]) -> None:
    assert set(target(scope).errors) == needed
    asked = {
        "target_instance": make_instance("orders-db").name,
        "databases": " shop \n",
        "tables": "public.t",
    }
    form = target(scope, **asked)
    assert form.is_valid(), form.errors
    assert form.cleaned_data.get("databases", ["shop"]) == ["shop"]


def test_the_labels_say_how_many() -> None:
    assert (target("database")["databases"].label, target("databases")["databases"].label) == (
        "Database",
        "Databases",
    )


def test_the_downtime_says_in_which_zone_it_is() -> None:
    with timezone.override("Europe/Berlin"):
        form = SubmitForm(None, name="shop", demanded=frozenset())
    assert form["window_start"].help_text == form["window_end"].help_text == "In Europe/Berlin."
