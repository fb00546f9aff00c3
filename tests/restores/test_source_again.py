"""Step 1 of the wizard once more: a mistyped instant is corrected, and nothing stale stays behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog import roles
from catalog.models import Instance
from dataprotect.core import clock
from dataprotect.engine.timeline_model import Target
from restores.models import Approval, RestoreRequest
from restores.services.request_draft import Wish, from_elsewhere, restore_draft, restore_edit, wish_of
from restores.states import Scope
from tests.restores.signing import Dba, Person, sign, submitted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reachable")]

THEN = datetime(2026, 11, 27, 14, 3, 11, tzinfo=UTC)
AT_THEN = Target("time", at=THEN)


def step_1(user: User, row: RestoreRequest, **answers: Any) -> Any:
    client = Client()
    client.force_login(user)
    address = f"/restores/{row.restore_id}/source/"
    if not answers:
        return client.get(address, secure=True)
    return client.post(address, {"instance": row.instance.name} | answers, secure=True)


def drafted(actor: User, instance: Instance, **chosen: Any) -> RestoreRequest:
    wish = Wish(scope=Scope.DATABASE, target_instance=instance, databases=["shop"], recovery_target=AT_THEN)
    return restore_draft(actor=actor, instance=instance, wish=replace(wish, **chosen))


def test_the_form_begins_with_what_was_chosen(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    page = step_1(anna, drafted(anna, orders)).content.decode()
    assert 'value="2026-11-27T14:03:11Z"' in page
    assert '<option value="database" selected>' in page
    assert (
        'value="latest"'
        in step_1(anna, drafted(anna, orders, recovery_target=Target("latest"))).content.decode()
    )


def test_another_instant_keeps_the_rest_and_goes_on_to_the_target(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    row = drafted(anna, orders)
    answer = step_1(anna, row, at="2026-11-27T14:00:00Z", scope="database")
    assert answer.headers["location"] == f"/restores/{row.restore_id}/target/"
    row.refresh_from_db()
    wish = wish_of(row)
    assert wish.recovery_target == Target("time", at=THEN.replace(minute=0, second=0))
    assert (wish.target_instance, list(wish.databases)) == (orders, ["shop"])


def test_a_test_restore_has_no_target_left_and_goes_on_to_the_plan(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    row = drafted(anna, orders)
    answer = step_1(anna, row, at="latest", scope="test")
    assert answer.headers["location"] == f"/restores/{row.restore_id}/plan/"
    row.refresh_from_db()
    assert (row.target_instance, row.databases) == (None, [])


def test_bad_answers_and_another_instance_change_nothing(orders: Instance, dba: Dba, make_instance) -> None:
    anna = dba("anna")
    row = drafted(anna, orders)
    other = make_instance("ledger-db")
    for answers in ({"at": "", "scope": "test"}, {"at": "latest", "scope": "test", "instance": other.name}):
        assert step_1(anna, row, **answers).status_code == 200
        row.refresh_from_db()
        assert (row.scope, row.instance) == ("database", orders)


def test_of_what_waits_it_voids_the_signatures(orders: Instance, dba: Dba, person: Person) -> None:
    anna = dba("anna")
    row = submitted(anna, orders, "shop", "ledger")
    sign(row, person("selma", roles.SENIOR_DBA), roles.SENIOR_DBA)
    step_1(anna, row, at="latest", scope="databases")
    row.refresh_from_db()
    assert (row.state, row.plan_hash) == ("draft", "")
    assert not Approval.objects.filter(request=row, voided_at=None).exists()


def test_somebody_who_may_not_restore_is_refused(orders: Instance, dba: Dba, person: Person) -> None:
    row = drafted(dba("anna"), orders)
    assert step_1(person("otto", roles.DBA), row, at="latest", scope="test").status_code in (403, 404)
    row.refresh_from_db()
    assert row.scope == "database"


def test_rows_that_were_chosen_belong_to_their_instant(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    row = drafted(anna, orders, scope=Scope.TABLE, tables=[("public", "t")])
    chosen = {"rows": {"public.t": [["1"]]}, "triggers": "fire"}
    row = restore_edit(actor=anna, request=row, wish=replace(wish_of(row), table_mode="rows", options=chosen))
    wish = wish_of(row)
    same = from_elsewhere(wish, scope=Scope.TABLE, recovery_target=AT_THEN, backup=None)
    assert (same.table_mode, same.options) == ("rows", chosen)
    earlier = Target("time", at=clock.now() - timedelta(hours=1))
    moved = from_elsewhere(wish, scope=Scope.TABLE, recovery_target=earlier, backup=None)
    assert (moved.table_mode, moved.options, list(moved.tables)) == (
        "",
        {"triggers": "fire"},
        list(wish.tables),
    )
    whole = from_elsewhere(wish, scope=Scope.DATABASE, recovery_target=AT_THEN, backup=None)
    assert (whole.tables, whole.table_mode, whole.options) == ((), "", {})


def test_what_is_meant_for_whole_databases_stays_with_them(orders: Instance, dba: Dba) -> None:
    wish = wish_of(drafted(dba("anna"), orders, options={"create_roles": True}))
    for scope in (Scope.DATABASE, Scope.DATABASES, Scope.TABLE):
        moved = from_elsewhere(wish, scope=scope, recovery_target=Target("latest"), backup=None)
        assert moved.options == {"create_roles": True}
