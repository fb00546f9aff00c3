"""Every page and every action, by every role."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from guardian.shortcuts import assign_perm

from catalog.models import Backup, Instance
from dataprotect.ops.models import Job
from tests.dashboard import addresses
from tests.dashboard.conftest import ClientOf

pytestmark = pytest.mark.usefixtures("catalogue", "db")
SEES_ALL = ["operator", "Senior DBA", "DBA Lead", "Engineering Manager", "VP Engineering", "auditor"]


ONLY_WITH_A_RIGHT = {"channels": "ops.view_alertchannel", "people": "catalog.view_rolegrant"}


def statuses(client: Client, pages: dict[str, str]) -> dict[str, int]:
    return {name: client.get(address).status_code for name, address in pages.items()}


def test_a_stranger_is_sent_to_the_sign_in_page_from_everywhere():
    pages = addresses.lists() | addresses.details() | addresses.audit_detail() | addresses.forms()
    for name, address in pages.items():
        answer = Client().get(address)
        assert (answer.status_code, answer.headers["location"]) == (302, f"/login/?next={address}"), name


def test_a_stranger_starts_nothing():
    for name, address in addresses.actions().items():
        answer = Client().post(address, {"level": "checksum"})
        assert answer.status_code == 302 and answer.headers["location"].startswith("/login/"), name
    assert not Job.objects.filter(actor="").exists()


@pytest.mark.parametrize("role", SEES_ALL)
def test_roles_that_see_everything_open_every_page(role: str, client_of: ClientOf):
    pages = addresses.lists() | addresses.details() | addresses.audit_detail()
    user = User.objects.get(username=role.lower().replace(" ", "-"))
    refused = {name for name, right in ONLY_WITH_A_RIGHT.items() if not user.has_perm(right)}
    assert statuses(client_of(role), pages) == {name: 403 if name in refused else 200 for name in pages}


EVERYBODY = {"gap", "instance_policy"}
"""A page to read for whoever sees the instance; its form is for whoever may change it."""
RESTORE = ("restore_new", "restore_source", "restore_submit", "restore_target")
SET_UP = ("restoring_edit", "smoke_test_add", "smoke_test_edit")
FORMS_OF = {
    "operator": {"repository_add", "repository_edit", "stop_raise", "channel_add"},
    "DBA": {"instance_add", "stop_raise"},
    "Senior DBA": {
        "instance_add",
        "instance_edit",
        "stop_raise",
        "hold_place",
        "backup_delete",
        *RESTORE,
        *SET_UP,
    },
    "DBA Lead": {
        "instance_add",
        "instance_edit",
        "instance_access",
        "repository_add",
        "repository_edit",
        "key_rotate",
        "stop_raise",
        "stop_lift",
        "channel_add",
        "hold_place",
        "backup_delete",
        "policy_add",
        "policy_edit",
        "role_give",
        *RESTORE,
        *SET_UP,
    },
    "Engineering Manager": {"stop_raise", "hold_place", "backup_delete"},
    "VP Engineering": {"stop_raise", "hold_place", "backup_delete"},
    "auditor": set(),
}


@pytest.mark.parametrize("role", FORMS_OF)
def test_a_role_opens_its_forms_and_no_others(role: str, client_of: ClientOf):
    found = statuses(client_of(role), addresses.forms())
    assert {name for name, status in found.items() if status == 200} - EVERYBODY == FORMS_OF[role]
    assert {status for status in found.values() if status != 200} <= {403, 404}


def test_an_auditor_gets_no_buttons_and_is_refused_by_the_server(client_of: ClientOf):
    auditor = client_of("auditor")
    for address in (addresses.details()["instance"], addresses.details()["backup"]):
        page = auditor.get(address).content.decode()
        assert "Back up now" not in page and "Restore test</button>" not in page and "Edit</a>" not in page
    before = Job.objects.count()
    refused = {"instance_backup", "backup_verify", "repository_check"}
    for name, address in addresses.actions().items():
        if name in refused:
            assert auditor.post(address, {"level": "restore"}).status_code == 403, name
    assert Job.objects.count() == before


def test_a_dba_without_rights_learns_of_no_instance(client_of: ClientOf):
    dba = client_of("DBA")
    found = statuses(dba, addresses.details())
    assert {name for name, status in found.items() if status != 404} == {"repository", "policy"}
    for page in ("overview", "instances", "backups", "verifications", "jobs"):
        text = dba.get(addresses.lists()[page]).content.decode()
        assert "legacy-crm" not in text and "Back up orders" not in text, page
    for name in ("instance_backup", "backup_verify", "job_cancel"):
        assert dba.post(addresses.actions()[name], {"level": "checksum"}).status_code == 404, name


def test_rights_on_one_instance_open_that_one_only(client_of: ClientOf):
    orders, user = Instance.objects.get(name="orders"), User.objects.get(username="dba")
    for right in ("view_instance", "verify_instance"):
        assign_perm(right, user, orders)
    dba = client_of("DBA")
    refused = {name for name, status in statuses(dba, addresses.details()).items() if status != 200}
    assert refused == {"retention_audit"}, "a report that names every instance"
    page = dba.get(addresses.details()["instance"]).content.decode()
    assert "Back up now" not in page
    assert dba.post(addresses.actions()["instance_backup"]).status_code == 403
    assert dba.get("/instances/billing/").status_code == 404
    names = dba.get("/backups/").content.decode()
    assert "/instances/orders/" in names and "/instances/billing/" not in names
    answer = dba.post(addresses.actions()["backup_verify"], {"level": "checksum"})
    job = Job.objects.filter(actor="dba", task="catalog.tasks.run_verification").get()
    assert answer.headers["location"] == f"/jobs/{job.pk}/"


def test_the_filter_of_a_list_reveals_nothing_that_may_not_be_seen(client_of: ClientOf):
    backup = Backup.objects.filter(instance__name="billing").first()
    assert backup
    page = client_of("DBA").get(f"/backups/?q={backup.backup_id}&instance=billing").content.decode()
    assert backup.backup_id not in page.replace(f'value="{backup.backup_id}"', "")


def test_only_whoever_asked_or_may_cancel_cancels(client_of: ClientOf):
    address = addresses.actions()["job_cancel"]
    assert client_of("auditor").post(address).status_code == 403
    assert client_of("operator").post(address).status_code == 302


def test_rights_are_given_and_taken_back_on_the_page(client_of: ClientOf):
    lead, dba = client_of("DBA Lead"), client_of("DBA")
    user = User.objects.get(username="dba")
    assert dba.get("/instances/orders/").status_code == 404
    rights = {"holder": f"user:{user.pk}", "permissions": ["view_instance", "backup_instance"]}
    assert lead.post("/instances/orders/access/", rights).status_code == 302
    page = dba.get("/instances/orders/").content.decode()
    assert "Back up now" in page and "see it" in page and "Edit</a>" not in page
    assert dba.post("/instances/orders/access/", rights).status_code == 403
    assert lead.post("/instances/orders/access/", rights | {"permissions": ["own_it"]}).status_code == 400
    lead.post("/instances/orders/access/revoke/", {"holder": f"user:{user.pk}"})
    assert dba.get("/instances/orders/").status_code == 404


def test_a_page_left_open_after_the_session_ended_asks_to_sign_in_again():
    answer = Client().get(addresses.details()["job_progress"], headers={"HX-Request": "true"})
    assert answer.headers["HX-Refresh"] == "true" and answer.content == b""
