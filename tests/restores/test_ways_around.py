"""Every way around a signature that somebody could try, and that it is no way."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from catalog import roles
from catalog.models import Instance, RoleGrant
from catalog.services.access import mark_by_token
from catalog.services.token import token_create
from catalog.states import GrantDoor
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import Job
from restores.models import Approval, RestoreRequest, RestoreRun
from restores.selectors.approvals import policy_active, row_for, rows_of
from restores.services import request_submit
from restores.services.approval_deny import approval_deny
from restores.services.approval_give import approval_give
from restores.services.request_draft import restore_draft, restore_edit, wish_of
from restores.services.request_start import restore_start
from tests.people import with_role
from tests.restores.signing import GB, Dba, Person, refused, sign, submitted, wish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reachable")]


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


def test_whoever_asks_never_signs(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    row = submitted(anna, orders, "shop")
    refused("approval.own", lambda: sign(row, anna, roles.DBA))
    assert sign(row, dba("ben"), roles.DBA).state == "approved"


def test_a_token_asks_and_never_signs_starts_or_rolls_back(orders: Instance, dba: Dba, settings: Any) -> None:
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


def test_a_proof_that_is_old_signs_and_starts_nothing(orders: Instance, dba: Dba) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    old = clock.now() - timedelta(minutes=6)
    refused("access.step_up", lambda: sign(row, ben, roles.DBA, at=old))
    row = sign(row, ben, roles.DBA)
    refused("access.step_up", lambda: restore_start(actor=anna, request=row, fresh_at=old))
    refused("access.step_up", lambda: restore_start(actor=anna, request=row))


def test_a_replayed_or_changed_plan_is_not_signed(orders: Instance, dba: Dba) -> None:
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


def test_editing_after_the_approval_voids_it(orders: Instance, dba: Dba) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = sign(submitted(anna, orders, "shop"), ben, roles.DBA)
    row = restore_edit(actor=anna, request=row, wish=wish_of(row))
    assert row.state == "draft" and Approval.objects.get().voided_at is not None
    refused("restore.not_approved", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    again = request_submit.restore_submit(actor=anna, request=row, typed_target="shop")
    assert again.state == "awaiting", "the same wish has to be signed anew"


def test_whoever_rewrites_or_submits_the_request_of_another_is_who_asks(orders: Instance, dba: Dba) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = restore_edit(actor=ben, request=submitted(anna, orders, "shop"), wish=wish(orders, "ledger"))
    row = request_submit.restore_submit(actor=ben, request=row, typed_target="ledger")
    refused("approval.own", lambda: sign(row, ben, roles.DBA))
    assert sign(row, anna, roles.DBA).state == "approved"
    left = restore_draft(actor=anna, instance=orders, wish=wish(orders, "stock"))
    left = request_submit.restore_submit(actor=ben, request=left, typed_target="stock")
    refused("approval.own", lambda: sign(left, ben, roles.DBA))


def test_the_terminal_does_not_hide_behind_the_person_whose_request_it_rewrites(
    orders: Instance, dba: Dba
) -> None:
    row = submitted(dba("anna"), orders, "shop")
    row = restore_edit(actor="system:root", request=row, wish=wish(orders, "ledger"))
    row = request_submit.restore_submit(actor="system:root", request=row, typed_target="ledger")
    assert row.requested_by is None and row.plan["approval"]["roles"] == [roles.DBA, roles.DBA_LEAD]


def test_one_person_fills_one_role_and_roles_are_distinct(orders: Instance, dba: Dba, person: Person) -> None:
    row = submitted(dba("anna"), orders, "shop", "ledger")
    both = with_role(person("both", roles.SENIOR_DBA), roles.ENGINEERING_MANAGER)
    row = sign(row, both, roles.SENIOR_DBA)
    assert row.state == "awaiting"
    refused("approval.twice", lambda: sign(row, both, roles.ENGINEERING_MANAGER))
    refused("approval.twice", lambda: sign(row, person("second", roles.SENIOR_DBA), roles.SENIOR_DBA))
    row = sign(row, person("manager", roles.ENGINEERING_MANAGER), roles.ENGINEERING_MANAGER)
    assert row.state == "approved"


def test_a_second_account_in_the_same_role_that_one_gave_oneself_does_not_count_yet(
    orders: Instance, dba: Dba, person: Person
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


def test_rights_on_another_instance_do_not_help(orders: Instance, dba: Dba, person: Person) -> None:
    row = submitted(dba("anna"), orders, "shop")
    refused("approval.role", lambda: sign(row, person("far", roles.DBA), roles.DBA))
    refused("approval.role", lambda: sign(row, person("eye", roles.AUDITOR), roles.DBA))


def test_a_deactivated_person_signs_nothing_and_what_they_signed_does_not_start(
    orders: Instance, dba: Dba
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


def test_one_denial_ends_it(orders: Instance, dba: Dba, person: Person) -> None:
    row = submitted(dba("anna"), orders, "shop", "ledger")
    row = sign(row, person("senior", roles.SENIOR_DBA), roles.SENIOR_DBA)
    manager = person("manager", roles.ENGINEERING_MANAGER)
    row = approval_deny(
        actor=manager, request=row, plan_hash=row.plan_hash, reason="Not today.", fresh_at=clock.now()
    )
    assert (row.state, row.ended_reason) == ("rejected", "Not today.")
    refused("approval.not_open", lambda: sign(row, manager, roles.ENGINEERING_MANAGER))


def test_two_signers_at_once_in_one_role_are_one(orders: Instance, dba: Dba) -> None:
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


def test_a_request_from_the_terminal_takes_one_more_person(
    orders: Instance, dba: Dba, person: Person
) -> None:
    row = submitted("system:root", orders, "shop")
    assert row.plan["approval"]["roles"] == [roles.DBA, roles.DBA_LEAD]
    row = sign(row, dba("ben"), roles.DBA)
    assert row.state == "awaiting"
    assert sign(row, person("lead", roles.DBA_LEAD), roles.DBA_LEAD).state == "approved"


def test_what_is_typed_is_checked_here_and_nothing_is_a_default(orders: Instance, dba: Dba) -> None:
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
