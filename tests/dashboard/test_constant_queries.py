"""The number of queries of a page does not depend on how much there is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog import roles
from catalog.services.instance_refresh import instance_refresh
from dataprotect.core import clock
from dataprotect.ops.services.audit import audit_record
from restores.models import Approval, RestoreRequest
from restores.selectors.approvals import inbox, role_to_sign
from tests.dashboard import addresses, seed, seed_alerts, seed_keeping, seed_logs, seed_restores

FEW, MANY = 5, 200


def grow(start: int, end: int) -> None:
    """Instances `start` to `end`, each with a tested backup, a failed job and a database."""
    now = clock.now()
    place = seed.repository() if start == 0 else seed.Repository.objects.get(name="cellar")
    for number in range(start, end):
        one = seed.instance("orders" if number == 0 else f"db-{number}", place)
        made = seed.backup(one, now, state="restore_tested")
        seed.verification(made, now)
        seed.databases(one, now)
        seed.job(one, now, "failed" if number % 2 else "running", error_message="It failed.")
        if number % 3 == 0:
            standing = seed_keeping.hold(one, now, backup=made)
            seed_keeping.change("lift_hold", now, seed.person("asker"), instance=one, hold=standing)
            seed_keeping.expiry(seed.backup(one, now - timedelta(days=number + 1)), now)
        seed_logs.collector(one, now)
        seed_logs.stretch(one, now - timedelta(hours=2), now, 0x8A40000000, 0x8B00000000)
        seed_logs.gap(one, now)
        seed_logs.samples(one, now, 4)
        seed_alerts.alert(one, "rpo_breached", now)
        audit_record(actor="dba", verb="instance.added", subject=one)
        if number == 0:
            seed_restores.restores({"orders": one}, now)
            seed_keeping.audited(now)
        else:
            waits(one, number, now)
        instance_refresh(one)


def waits(one: seed.Instance, number: int, now: datetime) -> None:
    """A restore that is to be signed: by a DBA, by two others, or by nobody any more; or one's own."""
    more: dict[str, Any] = {"requested_by": seed.person("one")} if number % 5 == 0 else {}
    row = seed_restores.request(f"r1{number:07x}", one, now - timedelta(hours=1), **more)
    if number % 3 == 0:
        signed(row, roles.DBA, now)
    elif number % 3 == 1:
        row.plan["approval"]["roles"] = [roles.SENIOR_DBA, roles.ENGINEERING_MANAGER]
        row.save(update_fields=["plan"])
        signed(row, roles.ENGINEERING_MANAGER, now)


def signed(row: RestoreRequest, role: str, now: datetime) -> None:
    Approval.objects.create(
        request=row, signed_hash=row.plan_hash, decision="approve", role=role, decided_at=now,
        approver=seed.person("signer"), requester=row.requested_by,
    )  # fmt: skip


def counted(client: Client, sees_all: bool) -> dict[str, int]:
    pages = addresses.lists() | addresses.details() | addresses.audit_detail()
    if not sees_all:
        del pages["retention_audit"]  # it names every instance
    counts = {}
    for name, address in pages.items():
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts[name] = len(queries)
    return counts


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["DBA Lead", "DBA"])
def test_pages_ask_as_often_for_many_instances_as_for_few(role: str):
    user = seed.person("one", role)
    grow(0, FEW)
    if role == "DBA":
        for right in ("view_auditevent", "view_alertchannel", "view_rolegrant"):
            user.user_permissions.add(seed_permission(right))
        see_all(user)
    client = Client()
    client.force_login(user)
    few = counted(client, role != "DBA")
    assert waiting_for(user)
    grow(FEW, MANY)
    if role == "DBA":
        see_all(user)
    many = counted(client, role != "DBA")
    assert many == few
    assert max(many.values()) <= 30, many
    assert len(waiting_for(user)) > FEW


def waiting_for(user: User) -> list[RestoreRequest]:
    """The inbox, which asks for all at once what the page of one restore asks for that one."""
    user, now = User.objects.get(pk=user.pk), clock.now()
    found = inbox(user=user, at=now)
    rows = RestoreRequest.objects.filter(state="awaiting").order_by("submitted_at")
    assert found == [row for row in rows if role_to_sign(user=user, request=row, at=now)]
    return found


def seed_permission(codename: str) -> object:
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename=codename)


def see_all(user: User) -> None:
    """Rights instance by instance, as a DBA has them."""
    from guardian.shortcuts import assign_perm

    for one in seed.Instance.objects.all():
        assign_perm("view_instance", user, one)
        assign_perm("restore_instance", user, one)
