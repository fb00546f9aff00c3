"""Requests over an instance whose server nobody asks, and the people who sign them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from catalog import roles
from catalog.models import Backup, Instance, InstanceDatabase
from catalog.services.instance_access import instance_access_grant
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Check
from restores.models import RestoreRequest
from restores.services import request_submit
from restores.services.approval_give import approval_give
from restores.services.request_draft import Wish, restore_draft

GB = 10**9
Make = Callable[..., Instance]
Person = Callable[..., User]
Dba = Callable[[str], User]


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


@pytest.fixture
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
