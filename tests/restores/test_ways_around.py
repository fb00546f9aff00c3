"""Every way around a signature that somebody could try, and that it is no way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client

from catalog import roles
from catalog.models import Backup, Instance, InstanceDatabase, RoleGrant
from catalog.services.access import mark_by_token
from catalog.services.instance_access import instance_access_grant
from catalog.services.token import token_create
from catalog.states import GrantDoor
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Check
from dataprotect.ops.models import Alert, Job
from restores.models import Approval, BreakGlassUse, RestoreRequest, RestoreRun
from restores.selectors.approvals import policy_active, row_for, rows_of
from restores.services import request_submit
from restores.services.approval_deny import approval_deny
from restores.services.approval_give import approval_give
from restores.services.approval_notice import approvals_remind
from restores.services.break_glass import glass_break, glass_review, reviews_remind
from restores.services.request_cancel import restores_expire
from restores.services.request_draft import Wish, restore_draft, restore_edit, wish_of
from restores.services.request_start import restore_start
from tests.people import with_role

pytestmark = pytest.mark.django_db(transaction=True)
GB = 10**9
Make = Callable[..., Instance]
Person = Callable[..., User]


@pytest.fixture
def orders(make_instance: Make) -> Instance:
    """An instance with a good backup and four databases of 1 GB each. The server is not asked."""
    made = make_instance("orders-db", size_bytes=4 * GB, last_good_at=clock.now())
    now = clock.now()
    for name in ("shop", "ledger", "stock", "mail"):
        InstanceDatabase.objects.create(
            instance=made, name=name, size_bytes=GB, first_seen_at=now, last_seen_at=now
        )
    Backup.objects.create(
        backup_id="orders-db-20261127T100000Z-full-0a1b", instance=made, repository=made.repository,
        state="checked", state_changed_at=now, started_at=now, stopped_at=now, seconds=1.0,
        start_position="0/100", stop_position="0/200",
    )  # fmt: skip
    return made


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server says is tested on real ones (test_runs); here everything it is asked is right."""
    found = (Check("server answers", True, "", "yes"),)
    monkeypatch.setattr(request_submit, "preflight", lambda *, request: found)


@pytest.fixture
def dba(person: Person, orders: Instance) -> Callable[[str], User]:
    def make(name: str) -> User:
        user = person(name, roles.DBA)
        instance_access_grant(
            actor="system:test", instance=orders, holder=user,
            permissions=["view_instance", "restore_instance"],
        )  # fmt: skip
        return User.objects.get(pk=user.pk)

    return make


def wish(orders: Instance, *databases: str, **more: Any) -> Wish:
    scope = {0: "system", 1: "database"}.get(len(databases), "databases")
    now = clock.now()
    values: dict[str, Any] = {
        "scope": scope, "target_instance": orders, "databases": databases, "ticket": "CHG-1",
        "backup": Backup.objects.get(), "reason": "A test", "window_start": now,
        "window_end": now + timedelta(hours=8),
    }  # fmt: skip
    return Wish(**values | more)


def submitted(actor: Any, orders: Instance, *databases: str, **more: Any) -> RestoreRequest:
    row = restore_draft(actor=actor, instance=orders, wish=wish(orders, *databases, **more))
    typed = databases[0] if len(databases) == 1 else orders.name
    return request_submit.restore_submit(actor=actor, request=row, typed_target=typed)


def sign(row: RestoreRequest, signer: User, role: str, *, at: datetime | None = None) -> RestoreRequest:
    return approval_give(
        actor=signer, request=row, plan_hash=row.plan_hash, role=role, fresh_at=at or clock.now()
    )


def refused(code: str, action: Callable[[], Any]) -> None:
    with pytest.raises(ForeseenError) as error:
        action()
    assert error.value.code == code, error.value.message


def test_the_row_is_picked_by_scope_count_and_volume() -> None:
    rows = rows_of(policy_active())
    picked = {
        ("database", 1, 500 * GB): "database",
        ("table", 1, 1 * GB): "database",
        ("database", 1, 501 * GB): "databases",
        ("databases", 3, 1000 * GB): "databases",
        ("databases", 4, 1 * GB): "system",
        ("databases", 2, 1001 * GB): "system",
        ("system", 9, 1): "system",
        ("test", 40, 9000 * GB): "test",
    }
    for (scope, count, size), wanted in picked.items():
        assert row_for(rows, scope, count, size).scope == wanted, (scope, count, size)


def test_whoever_asks_never_signs(orders: Instance, dba: Callable[[str], User]) -> None:
    anna = dba("anna")
    row = submitted(anna, orders, "shop")
    refused("approval.own", lambda: sign(row, anna, roles.DBA))
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(
            request=row, signed_hash=row.plan_hash, decision="approve", role=roles.DBA, approver=anna,
            requester=anna, decided_at=clock.now(),
        )  # fmt: skip
    assert sign(row, dba("ben"), roles.DBA).state == "approved"


def test_a_token_asks_and_never_signs_starts_or_rolls_back(
    orders: Instance, dba: Callable[[str], User], settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = False
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    by_token = User.objects.get(pk=ben.pk)
    mark_by_token(by_token)
    refused("approval.not_a_person", lambda: sign(row, by_token, roles.DBA))
    _, secret = token_create(actor=ben, owner=ben, name="script")
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    decision = {"plan_hash": row.plan_hash, "role": roles.DBA, "reason": "x"}
    bodies = {"approve": decision, "deny": decision, "start": {}, "roll-back": {"reason": "x"}}
    for verb, body in bodies.items():
        answer = client.post(
            f"/api/v1/restores/{row.restore_id}/{verb}", json.dumps(body), content_type="application/json"
        )
        assert answer.status_code in (400, 403, 409), (verb, answer.status_code, answer.content)
    row.refresh_from_db()
    assert row.state == "awaiting" and not Approval.objects.exists()


def test_a_proof_that_is_old_signs_and_starts_nothing(orders: Instance, dba: Callable[[str], User]) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    old = clock.now() - timedelta(minutes=6)
    refused("access.step_up", lambda: sign(row, ben, roles.DBA, at=old))
    row = sign(row, ben, roles.DBA)
    refused("access.step_up", lambda: restore_start(actor=anna, request=row, fresh_at=old))
    refused("access.step_up", lambda: restore_start(actor=anna, request=row))


def test_a_replayed_or_changed_plan_is_not_signed(orders: Instance, dba: Callable[[str], User]) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    shown = row.plan_hash
    RestoreRequest.objects.filter(pk=row.pk).update(plan=row.plan | {"databases": [{"name": "ledger"}]})
    refused("approval.plan_changed", lambda: sign(row, ben, roles.DBA))
    RestoreRequest.objects.filter(pk=row.pk).update(plan=row.plan)
    row.refresh_from_db()
    row = restore_edit(actor=anna, request=row, wish=wish(orders, "ledger"))
    row = request_submit.restore_submit(actor=anna, request=row, typed_target="ledger")
    assert row.plan_hash != shown
    refused(
        "approval.plan_changed",
        lambda: approval_give(actor=ben, request=row, plan_hash=shown, role=roles.DBA, fresh_at=clock.now()),
    )


def test_editing_after_the_approval_voids_it(orders: Instance, dba: Callable[[str], User]) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = sign(submitted(anna, orders, "shop"), ben, roles.DBA)
    row = restore_edit(actor=anna, request=row, wish=wish_of(row))
    assert row.state == "draft" and Approval.objects.get().voided_at is not None
    refused("restore.not_approved", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    again = request_submit.restore_submit(actor=anna, request=row, typed_target="shop")
    assert again.state == "awaiting", "the same wish has to be signed anew"


def test_whoever_rewrites_or_submits_the_request_of_another_is_who_asks(
    orders: Instance, dba: Callable[[str], User]
) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = restore_edit(actor=ben, request=submitted(anna, orders, "shop"), wish=wish(orders, "ledger"))
    row = request_submit.restore_submit(actor=ben, request=row, typed_target="ledger")
    refused("approval.own", lambda: sign(row, ben, roles.DBA))
    assert sign(row, anna, roles.DBA).state == "approved"
    left = restore_draft(actor=anna, instance=orders, wish=wish(orders, "stock"))
    left = request_submit.restore_submit(actor=ben, request=left, typed_target="stock")
    refused("approval.own", lambda: sign(left, ben, roles.DBA))


def test_the_terminal_does_not_hide_behind_the_person_whose_request_it_rewrites(
    orders: Instance, dba: Callable[[str], User]
) -> None:
    row = submitted(dba("anna"), orders, "shop")
    row = restore_edit(actor="system:root", request=row, wish=wish(orders, "ledger"))
    row = request_submit.restore_submit(actor="system:root", request=row, typed_target="ledger")
    assert row.requested_by is None and row.plan["approval"]["roles"] == [roles.DBA, roles.DBA_LEAD]


def test_one_person_fills_one_role_and_roles_are_distinct(
    orders: Instance, dba: Callable[[str], User], person: Person
) -> None:
    row = submitted(dba("anna"), orders, "shop", "ledger")
    both = with_role(person("both", roles.SENIOR_DBA), roles.ENGINEERING_MANAGER)
    row = sign(row, both, roles.SENIOR_DBA)
    assert row.state == "awaiting"
    refused("approval.twice", lambda: sign(row, both, roles.ENGINEERING_MANAGER))
    refused("approval.twice", lambda: sign(row, person("second", roles.SENIOR_DBA), roles.SENIOR_DBA))
    row = sign(row, person("manager", roles.ENGINEERING_MANAGER), roles.ENGINEERING_MANAGER)
    assert row.state == "approved"


def test_a_second_account_in_the_same_role_that_one_gave_oneself_does_not_count_yet(
    orders: Instance, dba: Callable[[str], User], person: Person
) -> None:
    anna = dba("anna")
    row = submitted(anna, orders, "shop")
    double = dba("anna2")
    RoleGrant.objects.filter(user=double).update(
        door=GrantDoor.PERSON, granted_by=double, granted_at=clock.now() - timedelta(hours=23)
    )
    refused("approval.role", lambda: sign(row, double, roles.DBA))
    RoleGrant.objects.filter(user=double).update(granted_at=clock.now() - timedelta(hours=25))
    assert sign(row, double, roles.DBA).state == "approved"


def test_rights_on_another_instance_do_not_help(
    orders: Instance, dba: Callable[[str], User], person: Person
) -> None:
    row = submitted(dba("anna"), orders, "shop")
    refused("approval.role", lambda: sign(row, person("far", roles.DBA), roles.DBA))
    refused("approval.role", lambda: sign(row, person("eye", roles.AUDITOR), roles.DBA))


def test_a_deactivated_person_signs_nothing_and_what_they_signed_does_not_start(
    orders: Instance, dba: Callable[[str], User]
) -> None:
    anna, ben, cleo = dba("anna"), dba("ben"), dba("cleo")
    row = submitted(anna, orders, "shop")
    User.objects.filter(pk=cleo.pk).update(is_active=False)
    refused("access.denied", lambda: sign(row, cleo, roles.DBA))
    row = sign(row, ben, roles.DBA)
    User.objects.filter(pk=ben.pk).update(is_active=False)
    refused("approval.missing", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    User.objects.filter(pk=ben.pk).update(is_active=True)
    ben.groups.clear()
    refused("approval.missing", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    assert not RestoreRun.objects.exists() and not Job.objects.exists()


def test_one_denial_ends_it(orders: Instance, dba: Callable[[str], User], person: Person) -> None:
    row = submitted(dba("anna"), orders, "shop", "ledger")
    row = sign(row, person("senior", roles.SENIOR_DBA), roles.SENIOR_DBA)
    manager = person("manager", roles.ENGINEERING_MANAGER)
    row = approval_deny(
        actor=manager, request=row, plan_hash=row.plan_hash, reason="Not today.", fresh_at=clock.now()
    )
    assert (row.state, row.ended_reason) == ("rejected", "Not today.")
    refused("approval.not_open", lambda: sign(row, manager, roles.ENGINEERING_MANAGER))


def test_approvals_and_the_right_to_start_lapse(
    orders: Instance, dba: Callable[[str], User], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = dba("anna"), dba("ben")
    waiting, ready = submitted(anna, orders, "shop"), submitted(anna, orders, "ledger")
    ready = sign(ready, ben, roles.DBA)
    later = clock.now() + timedelta(hours=25)
    monkeypatch.setattr(clock, "now", lambda: later)
    refused("approval.expired", lambda: sign(waiting, ben, roles.DBA, at=later))
    refused("approval.expired", lambda: restore_start(actor=anna, request=ready, fresh_at=later))
    assert restores_expire() == 2
    assert set(RestoreRequest.objects.values_list("state", flat=True)) == {"expired"}


def test_a_clock_that_was_put_back_revives_nothing(
    orders: Instance, dba: Callable[[str], User], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    before = clock.now() - timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: before)
    refused("clock.behind", lambda: sign(row, ben, roles.DBA, at=before))
    refused("clock.behind", lambda: submitted(anna, orders, "ledger"))


def test_it_is_started_once(orders: Instance, dba: Callable[[str], User]) -> None:
    anna = dba("anna")
    row = sign(submitted(anna, orders, "shop"), dba("ben"), roles.DBA)
    restore_start(actor=anna, request=row, fresh_at=clock.now())
    refused("restore.not_approved", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    assert Job.objects.count() == RestoreRun.objects.count() == 1


def test_two_signers_at_once_in_one_role_are_one(orders: Instance, dba: Callable[[str], User]) -> None:
    anna, signers = dba("anna"), [dba("ben"), dba("cleo")]
    row = submitted(anna, orders, "shop")
    ready, said = threading.Barrier(2), []

    def try_it(signer: User) -> None:
        ready.wait()
        try:
            said.append(sign(row, signer, roles.DBA).state)
        except ForeseenError as error:
            said.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=[signer]) for signer in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Approval.objects.count() == 1 and "approved" in said, said


def test_the_glass_is_for_its_group_and_loud(
    orders: Instance, dba: Callable[[str], User], person: Person
) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")

    def break_it(who: User, reason: str = "The shop is down.") -> RestoreRequest:
        return glass_break(
            actor=who, request=row, plan_hash=row.plan_hash, reason=reason, fresh_at=clock.now()
        )

    refused("break_glass.not_allowed", lambda: break_it(ben))
    with_role(ben, roles.BREAK_GLASS)
    refused("input.reason", lambda: break_it(ben, "  "))
    assert break_it(ben).state == "approved"
    use = BreakGlassUse.objects.get()
    assert Alert.objects.get(rule="glass_broken").severity == "critical"
    assert use.review_due_at - use.used_at == timedelta(hours=72)
    refused("access.denied", lambda: glass_review(actor=ben, use=use, note="Fine.", fresh_at=clock.now()))
    with_role(anna, roles.DBA_LEAD)
    refused("break_glass.own", lambda: glass_review(actor=anna, use=use, note="x", fresh_at=clock.now()))
    lead = person("lead", roles.DBA_LEAD)
    glass_review(actor=lead, use=use, note="It was right.", fresh_at=clock.now())
    use.refresh_from_db()
    assert use.reviewed_by == lead and Alert.objects.get(rule="glass_broken").state == "resolved"
    restore_start(actor=anna, request=row, fresh_at=clock.now())


def test_the_alert_that_a_restore_waits_grows_louder_and_ends_with_the_plan(
    orders: Instance, dba: Callable[[str], User], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = dba("anna")
    row = submitted(anna, orders, "shop")
    waiting = Alert.objects.get(rule="approval_waiting")
    assert (approvals_remind(), waiting.severity) == (0, "warning")
    noon = clock.now() + timedelta(hours=13)
    monkeypatch.setattr(clock, "now", lambda: noon)
    assert approvals_remind() == 1
    waiting.refresh_from_db()
    assert waiting.severity == "critical"
    restore_edit(actor=anna, request=row, wish=wish(orders, "ledger"))
    waiting.refresh_from_db()
    assert waiting.state == "resolved"


def test_a_glass_nobody_reviewed_in_time_is_told_until_somebody_does(
    orders: Instance, dba: Callable[[str], User], person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = submitted(dba("anna"), orders, "shop")
    breaker = with_role(dba("ben"), roles.BREAK_GLASS)
    glass_break(actor=breaker, request=row, plan_hash=row.plan_hash, reason="Down.", fresh_at=clock.now())
    assert reviews_remind() == 0
    late = clock.now() + timedelta(hours=73)
    monkeypatch.setattr(clock, "now", lambda: late)
    assert reviews_remind() == reviews_remind() == 1
    assert Alert.objects.get(rule="glass_review_overdue").count == 2
    lead = person("lead", roles.DBA_LEAD)
    glass_review(actor=lead, use=BreakGlassUse.objects.get(), note="Late.", fresh_at=late)
    assert not Alert.objects.filter(rule__startswith="glass").exclude(state="resolved").exists()


def test_a_request_from_the_terminal_takes_one_more_person(
    orders: Instance, dba: Callable[[str], User], person: Person
) -> None:
    row = submitted("system:root", orders, "shop")
    assert row.plan["approval"]["roles"] == [roles.DBA, roles.DBA_LEAD]
    row = sign(row, dba("ben"), roles.DBA)
    assert row.state == "awaiting"
    assert sign(row, person("lead", roles.DBA_LEAD), roles.DBA_LEAD).state == "approved"


def test_what_is_typed_is_checked_here_and_nothing_is_a_default(
    orders: Instance, dba: Callable[[str], User]
) -> None:
    anna = dba("anna")
    row = restore_draft(actor=anna, instance=orders, wish=wish(orders, "shop"))
    refused(
        "restore.safeguard",
        lambda: request_submit.restore_submit(actor=anna, request=row, typed_target="Shop"),
    )
    nowhere = restore_draft(actor=anna, instance=orders, wish=wish(orders, "shop", target_instance=None))
    refused(
        "input.target_instance",
        lambda: request_submit.restore_submit(actor=anna, request=nowhere, typed_target="shop"),
    )
    ticket = restore_draft(actor=anna, instance=orders, wish=wish(orders, "shop", ticket=""))
    refused(
        "restore.safeguard",
        lambda: request_submit.restore_submit(actor=anna, request=ticket, typed_target="shop"),
    )
