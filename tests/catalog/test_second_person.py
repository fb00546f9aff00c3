"""What takes a second person: who may be it, what the database refuses, and what makes a request void."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.models import Backup, ChangeRequest, Expiry, LegalHold, Policy
from catalog.selectors import change_detail, change_list, changes_awaiting, hold_detail, hold_list
from catalog.services import (
    assignment_request,
    assignment_shortens,
    backup_delete_request,
    change_approve,
    change_reject,
    change_withdraw,
    hold_lift_request,
    hold_place,
    policy_shorten_request,
    policy_shortens,
    token_create,
    token_owner,
)
from dataprotect.core import clock
from dataprotect.ops.models import AuditEvent
from tests.catalog.retained import OPERATOR, SHORT, Retained, person, refused, state

pytestmark = pytest.mark.django_db(transaction=True)
Approve = Callable[..., ChangeRequest]


@pytest.fixture
def retained(tmp_path: Path) -> Iterator[Retained]:
    made = Retained(tmp_path)
    made.backup("old", 2)
    made.backup("new", 0)
    return made


@pytest.fixture
def lead() -> User:
    return person("lead", "DBA Lead")


@pytest.fixture
def manager() -> User:
    return person("manager", "Engineering Manager")


def backup(name: str = "old") -> Backup:
    return Backup.objects.select_related("instance").get(backup_id=name)


def approve(actor: Any, change: ChangeRequest, **more: str) -> ChangeRequest:
    return change_approve(actor=actor, change=change, **{"seen_hash": change.payload_hash, **more})


def hold_of(retained: Retained, name: str = "old") -> LegalHold:
    return hold_place(
        actor=OPERATOR, instance=retained.instance, backup=backup(name), reason="Audit.", matter="M-1"
    )


def test_one_asks_another_approves_and_the_tombstone_is_placed(
    retained: Retained, lead: User, manager: User
) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Holds personal data.")
    assert changes_awaiting(user=manager) == 1 and changes_awaiting(user=lead) == 0
    done = approve(manager, change)
    assert done.state == "executed" and state("old") == "expiring"
    expiry = Expiry.objects.get()
    assert expiry.requested == change and expiry.delete_after > clock.now() + timedelta(days=6)
    verbs = list(AuditEvent.objects.filter(verb__startswith="change.").values_list("verb", flat=True))
    assert verbs == ["change.executed", "change.approved", "change.requested"]
    refused("change.ended", approve, person("senior", "Senior DBA"), change)
    assert retained.expire()["spared"] == [], "the rules would keep it, two persons do not want it"


def test_nobody_approves_what_they_asked_for(retained: Retained, lead: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away with it.")
    refused("change.own", approve, lead, change)
    refused("change.own", change_reject, actor=lead, change=change, reason="no")
    assert change_detail(user=lead, pk=change.pk).why_not.startswith("You asked")
    assert state("old") == "checked"


@pytest.mark.parametrize(
    ("role", "deletes", "releases"),
    [("operator", False, False), ("DBA", False, False), ("Senior DBA", True, False), ("DBA Lead", True, True),
     ("Engineering Manager", True, True), ("VP Engineering", True, False), ("auditor", False, False)],
)  # fmt: skip
def test_only_the_right_roles_approve(
    retained: Retained, lead: User, role: str, deletes: bool, releases: bool
) -> None:
    second = person("second", role)
    deletion = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    held = hold_of(retained, "new")
    lifting = hold_lift_request(actor=lead, hold=held, reason="Settled.")
    for change, allowed in ((deletion, deletes), (lifting, releases)):
        if allowed:
            assert approve(second, change).state == "executed"
        else:
            refused("change.not_allowed", approve, second, change)
    assert (LegalHold.objects.get().lifted_at is not None) is releases


def test_a_token_never_approves(retained: Retained, lead: User, manager: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    _, text = token_create(actor=manager, owner=manager, name="script")
    refused("change.not_a_person", approve, token_owner(text), change)
    refused("change.not_a_person", approve, OPERATOR, change)
    User.objects.filter(pk=manager.pk).update(is_active=False)
    refused("change.not_a_person", approve, User.objects.get(pk=manager.pk), change)
    assert state("old") == "checked"


def test_what_is_asked_at_the_terminal_takes_two_named_persons(
    retained: Retained, lead: User, manager: User
) -> None:
    hold = hold_of(retained)
    change = hold_lift_request(actor="system:root", hold=hold, reason="Settled.")
    assert change.approvals_needed == 2
    assert approve(lead, change).state == "awaiting"
    refused("change.twice", approve, lead, change)
    assert LegalHold.objects.get().lifted_at is None
    assert approve(manager, change).state == "executed"
    lifted = LegalHold.objects.get()
    assert lifted.lifted_at is not None and "manager" in lifted.lifted_by


def test_the_account_that_asked_at_the_terminal_is_known(retained: Retained, lead: User) -> None:
    change = backup_delete_request(actor="system:lead", backup=backup(), reason="Away.")
    refused("change.own", approve, lead, change)


def test_the_database_itself_refuses_one_person_in_two_places(
    retained: Retained, lead: User, manager: User
) -> None:
    asked = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    terminal = backup_delete_request(actor=OPERATOR, backup=backup("new"), reason="Away.")
    attempts: list[tuple[ChangeRequest, dict[str, Any]]] = [
        (asked, {"first_approver": lead}),
        (asked, {"state": "executed"}),
        (asked, {"first_approver": manager, "second_approver": lead}),
        (terminal, {"state": "executed", "first_approver": manager}),
        (terminal, {"first_approver": manager, "second_approver": manager}),
        (terminal, {"second_approver": manager}),
    ]
    for change, values in attempts:
        with pytest.raises(IntegrityError), transaction.atomic():
            ChangeRequest.objects.filter(pk=change.pk).update(**values)


def test_a_changed_payload_voids(retained: Retained, lead: User, manager: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    ChangeRequest.objects.filter(pk=change.pk).update(payload=change.payload | {"backup_id": "new"})
    refused("change.void", approve, manager, change)
    assert ChangeRequest.objects.get().state == "void"
    assert state("old") == state("new") == "checked"


def test_approving_what_one_has_not_seen_voids(retained: Retained, lead: User, manager: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    refused("change.void", approve, manager, change, seen_hash="0" * 64)
    assert ChangeRequest.objects.get().state == "void"


def test_a_subject_that_changed_voids(retained: Retained, lead: User, manager: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    retained.backup("child", 1, parents=["old"])
    refused("change.void", approve, manager, change)
    assert state("old") == "checked"


def test_a_request_lapses(retained: Retained, lead: User, manager: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    refused("change.asked", backup_delete_request, actor=manager, backup=backup(), reason="Me too.")
    ChangeRequest.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    refused("change.ended", approve, manager, change)
    assert ChangeRequest.objects.get().state == "lapsed"
    assert backup_delete_request(actor=lead, backup=backup(), reason="Again.").pk != change.pk


def test_rejecting_and_withdrawing_end_it(retained: Retained, lead: User, manager: User) -> None:
    change = backup_delete_request(actor=lead, backup=backup(), reason="Away.")
    refused("change.not_allowed", change_withdraw, actor=manager, change=change)
    refused("change.reason", change_reject, actor=manager, change=change, reason=" ")
    assert change_reject(actor=manager, change=change, reason="We need it.").state == "rejected"
    refused("change.ended", approve, manager, change)
    again = backup_delete_request(actor=lead, backup=backup(), reason="Please.")
    assert change_withdraw(actor=lead, change=again).state == "withdrawn"
    refused("change.ended", approve, manager, again)


@pytest.mark.parametrize("kept_by", ["last_good", "hold", "dependent"])
def test_two_persons_cannot_delete_what_must_stay(
    retained: Retained, lead: User, manager: User, kept_by: str
) -> None:
    name = "new" if kept_by == "last_good" else "old"
    if kept_by == "last_good":
        Backup.objects.filter(backup_id="old").update(state="damaged")
    if kept_by == "hold":
        hold_of(retained)
    if kept_by == "dependent":
        retained.backup("child", 1, parents=["old"])
    change = backup_delete_request(actor=lead, backup=backup(name), reason="Away.")
    error = refused("backup.kept", approve, manager, change)
    assert {"last_good": "last good", "hold": "M-1", "dependent": "child"}[kept_by] in error.message
    assert state(name) == "checked" and ChangeRequest.objects.get().first_approver is None


def test_strangers_neither_ask_nor_see(retained: Retained, lead: User) -> None:
    stranger = person("stranger")
    refused("access.denied", backup_delete_request, actor=stranger, backup=backup(), reason="Away.")
    hold = hold_of(retained)
    refused("access.denied", hold_lift_request, actor=stranger, hold=hold, reason="Away.")
    backup_delete_request(actor=lead, backup=backup("new"), reason="Away.")
    assert not change_list(user=stranger).exists() and not hold_list(user=stranger).exists()
    refused("change.not_found", change_detail, user=stranger, pk=ChangeRequest.objects.get().pk)
    assert change_list(user=person("eye", "auditor")).count() == 1


def test_holds_say_what_they_keep(retained: Retained, lead: User) -> None:
    retained.backup("child", 1, parents=["old"])
    detail = hold_detail(user=lead, pk=hold_of(retained, "child").pk)
    assert [row.backup_id for row in detail.covered] == ["child", "old"] and detail.is_active
    all_of_it = hold_place(actor=lead, instance=retained.instance, reason="Audit.", matter="M-9")
    assert len(hold_detail(user=lead, pk=all_of_it.pk).covered) == 3
    for words in ({"reason": " "}, {"matter": ""}, {"until": clock.now()}):
        values: dict[str, Any] = {"reason": "Audit.", "matter": "M-1", **words}
        refused(f"input.{next(iter(words))}", hold_place, actor=lead, instance=retained.instance, **values)
    refused(
        "access.denied", hold_place, actor=person("op", "operator"), instance=retained.instance,
        reason="Audit.", matter="M-1",
    )  # fmt: skip


def test_a_longer_retention_loses_nothing(retained: Retained) -> None:
    assert policy_shortens(retained.policy, {"keep_daily_days": 30, "keep_weekly_days": 90}) == []


def test_a_shorter_one_says_what_goes_and_takes_a_second_person(
    retained: Retained, lead: User, manager: User
) -> None:
    loses = policy_shortens(retained.policy, {"keep_daily_days": 1})
    assert any("old" in sentence for sentence in loses)
    change = policy_shorten_request(
        actor=lead, policy=retained.policy, after={"keep_daily_days": 2}, reason="It costs too much."
    )
    assert change_detail(user=manager, pk=change.pk).loses
    assert Policy.objects.get(pk=retained.policy.pk).keep_daily_days == 3
    approve(manager, change)
    assert Policy.objects.get(pk=retained.policy.pk).keep_daily_days == 2


def test_a_policy_that_changed_meanwhile_voids(retained: Retained, lead: User, manager: User) -> None:
    change = policy_shorten_request(
        actor=lead, policy=retained.policy, after={"keep_daily_days": 1}, reason="It costs too much."
    )
    Policy.objects.filter(pk=retained.policy.pk).update(keep_daily_days=60)
    refused("change.void", approve, manager, change)
    assert Policy.objects.get(pk=retained.policy.pk).keep_daily_days == 60


def test_nonsense_is_refused_when_it_is_asked_for(retained: Retained, lead: User) -> None:
    for after in ({"keep_daily_days": -1}, {"minimum_restore_tested": 0}):
        refused(
            f"input.{next(iter(after))}", policy_shorten_request, actor=lead, policy=retained.policy,
            after=after, reason="Why not.",
        )  # fmt: skip


def test_another_policy_that_keeps_less_takes_a_second_person(
    retained: Retained, lead: User, manager: User
) -> None:
    shorter = Policy.objects.create(name="shorter", **(SHORT | {"keep_daily_days": 1}))
    assert assignment_shortens(retained.instance, None) == [], "without a policy everything stays"
    assert assignment_shortens(retained.instance, shorter)
    change = assignment_request(actor=lead, instance=retained.instance, policy=shorter, reason="Cheaper.")
    approve(manager, change)
    retained.instance.refresh_from_db()
    assert retained.instance.policy == shorter
