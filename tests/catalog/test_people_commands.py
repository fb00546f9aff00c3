"""The administrator's commands: people, their roles, lost factors; and the profile."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import transaction

from catalog import roles
from catalog.selectors.people import people_list
from catalog.selectors.roles import counting_roles
from catalog.services.person import person_add, person_forget_factors, person_new_password, person_switch
from catalog.services.token import token_create, token_owner
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import secrets
from dataprotect.ops.models import AuditEvent
from dataprotect.ops.services.sealed_factors import FACTOR_SECRET
from dataprotect.ops.services.sealed_fields import secrets_rotate
from dataprotect.ops.sign_in.adapter import SecondFactorAdapter

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


def run(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return answer


def verbs_of(user: User) -> set[str]:
    return set(
        AuditEvent.objects.filter(subject_type="user", subject_id=user.pk).values_list("verb", flat=True)
    )


def test_a_person_from_first_to_last() -> None:
    made = run("add_person", "lena", "--role", roles.DBA_LEAD)
    lena = User.objects.get(username="lena")
    assert authenticate(username="lena", password=made["password"]) == lena
    assert not AuditEvent.objects.filter(data_json__contains=made["password"]).exists()
    assert counting_roles(user=lena, at=clock.now()) == {roles.DBA_LEAD}, "she founds the installation"
    assert run("grant_role", "lena", roles.BREAK_GLASS)["role"] == roles.BREAK_GLASS
    run("revoke_role", "lena", roles.DBA_LEAD)
    assert counting_roles(user=lena, at=clock.now()) == {roles.BREAK_GLASS}

    Authenticator.objects.create(user=lena, type="totp", data={"secret": "x"})
    _, token = token_create(actor=lena, owner=lena, name="ci")
    changed = run("change_person", "lena", "--off", "--forget-second-factors", "--new-password")
    assert changed["factors_forgotten"] == 1 and changed["active"] is False
    assert authenticate(username="lena", password=changed["password"]) is None
    assert token_owner(token) is None and counting_roles(user=lena, at=clock.now()) == frozenset()
    run("change_person", "lena", "--on")
    assert authenticate(username="lena", password=changed["password"]) == lena
    assert verbs_of(lena) == {
        "user.added", "user.role_granted", "user.role_revoked", "user.second_factor_added",
        "user.second_factor_removed", "user.switched_off", "user.switched_on", "user.password_changed",
    }  # fmt: skip
    removed = AuditEvent.objects.get(verb="user.second_factor_removed")
    assert removed.actor.startswith("system:")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add_person", "two words"), "input.username"),
        (("add_person", "lena"), "input.username"),
        (("add_person", "nora", "--role", "root"), "role.not_found"),
        (("grant_role", "nobody", roles.DBA), "person.not_found"),
        (("revoke_role", "lena", roles.DBA), "role.not_held"),
        (("set_profile", "playground"), "input.profile"),
    ],
)
def test_mistakes_are_one_sentence_and_change_nothing(words: tuple[str, ...], code: str) -> None:
    User.objects.create_user("lena")
    with pytest.raises(ForeseenError) as refused, transaction.atomic():
        run(*words)
    assert refused.value.code == code
    assert [user.username for user in User.objects.all()] == ["lena"]


def test_only_an_administrator_makes_people(person: Person) -> None:
    lead, root = person("lead", roles.DBA_LEAD), person("root", is_superuser=True)
    attempts: list[Callable[[User], object]] = [
        lambda actor: person_add(actor=actor, name="new"),
        lambda actor: person_new_password(actor=actor, user=lead),
        lambda actor: person_switch(actor=actor, user=lead, active=False),
        lambda actor: person_forget_factors(actor=actor, user=lead),
    ]
    for attempt in attempts:
        with pytest.raises(ForeseenError) as refused:
            attempt(lead)
        assert refused.value.code == "access.denied"
        attempt(root)


def test_the_profile_by_command() -> None:
    assert run("set_profile") == {"chosen": None, "stands": "production"}
    assert run("set_profile", "sandbox") == {"chosen": "sandbox", "stands": "sandbox"}


def test_the_list_of_people_asks_as_often_for_many(
    person: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        person(f"p{number}", roles.DBA)
    member = User.groups.through
    stray = person("stray")
    member.objects.bulk_create([member(user=stray, group=Group.objects.get(name=roles.AUDITOR))])
    with django_assert_max_num_queries(5):
        rows = {row.person.username: row for row in people_list()}
    assert [(held.name, held.counts) for held in rows["p3"].roles] == [(roles.DBA, True)]
    assert [(held.name, held.counts, held.grant) for held in rows["stray"].roles] == [
        (roles.AUDITOR, False, None)
    ]


def test_secrets_of_second_factors_move_with_the_key(person: Person) -> None:
    adapter, user = SecondFactorAdapter(), person("lena")
    totp = Authenticator.objects.create(user=user, type="totp", data={"secret": adapter.encrypt("JBSWY3DP")})
    codes = Authenticator.objects.create(
        user=user, type="recovery_codes", data={"seed": adapter.encrypt("seed"), "used_mask": 5}
    )
    _, moved = secrets_rotate(actor="command:root")
    assert moved == 2
    for row, name, plain in ((totp, "secret", "JBSWY3DP"), (codes, "seed", "seed")):
        before = row.data[name]
        row.refresh_from_db()
        assert row.data[name] != before and not secrets.needs_reseal(row.data[name])
        assert secrets.open_sealed(row.data[name], FACTOR_SECRET).reveal() == plain
    assert codes.data["used_mask"] == 5
