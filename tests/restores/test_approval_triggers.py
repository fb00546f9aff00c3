"""What is written past the services, the database refuses: on SQLite here, on PostgreSQL in tests.ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, transaction

from catalog import roles
from catalog.models import Instance
from dataprotect.core import clock
from restores.models import Approval, RestoreRequest
from tests.restores.signing import Dba, Person, sign, submitted
from tests.restores.test_approval_policy import propose

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reachable")]


def never(write: Callable[[], Any], because: str) -> None:
    with pytest.raises(IntegrityError, match=because), transaction.atomic():
        write()


def written(row: RestoreRequest, approver: User, **more: Any) -> Callable[[], Approval]:
    values: dict[str, Any] = {
        "request": row, "signed_hash": row.plan_hash, "decision": "approve", "role": roles.DBA,
        "approver": approver, "requester": row.requested_by, "decided_at": clock.now(),
    }  # fmt: skip
    return lambda: Approval.objects.create(**values | more)


def test_a_signature_names_who_asked_and_what_is_signed(orders: Instance, dba: Dba) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    never(written(row, anna), "restores_requester_never_approves")
    for more in ({"requester": None}, {"requester": ben}, {"signed_hash": "0" * 64}):
        never(written(row, anna, **more), "repeats who asked")
    never(written(row, anna, is_self=True), "repeats who asked")
    assert written(row, ben)().approver == ben


def test_nobody_signs_an_own_proposal(person: Person) -> None:
    lead = person("lead", roles.DBA_LEAD)
    made = propose(lead)
    values: dict[str, Any] = {
        "policy": made, "signed_hash": made.rows_hash, "decision": "approve", "role": roles.DBA_LEAD,
        "decided_at": clock.now(), "approver": lead,
    }  # fmt: skip
    never(lambda: Approval.objects.create(requester=lead, **values), "requester_never_approves")
    never(lambda: Approval.objects.create(requester=None, **values), "repeats who asked")
    never(lambda: Approval.objects.create(requester=lead, is_self=True, **values), "repeats who asked")


def test_what_was_signed_stays_as_it_was(orders: Instance, dba: Dba) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = sign(submitted(anna, orders, "shop"), ben, roles.DBA)
    given = Approval.objects.filter(request=row)
    changes: tuple[dict[str, Any], ...] = (
        {"decision": "deny"}, {"approver": anna}, {"role": "VP Engineering"}, {"requester": None},
        {"signed_hash": "0" * 64}, {"is_self": True},
    )  # fmt: skip
    for change in changes:
        never(lambda change=change: given.update(**change), "never rewritten|restores_requester")  # type: ignore[misc]
    assert given.update(voided_at=clock.now()) == 1
    never(lambda: given.update(voided_at=None), "never rewritten")


def test_another_requester_is_not_put_under_signatures(orders: Instance, dba: Dba) -> None:
    anna, ben = dba("anna"), dba("ben")
    rows = RestoreRequest.objects.filter(pk=submitted(anna, orders, "shop").pk)
    for other in (ben, None):
        never(lambda other=other: rows.update(requested_by=other), "in a draft only")  # type: ignore[misc]


def test_migrations_leave_them_in_force(orders: Instance, dba: Dba) -> None:
    call_command("migrate", "restores", verbosity=0)
    anna = dba("anna")
    never(written(submitted(anna, orders, "shop"), anna, requester=None), "repeats who asked")
