"""What people set up for restores of an instance, how one is followed, and how their history is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from guardian.shortcuts import assign_perm

from catalog.models import Instance
from dataprotect.core import clock
from dataprotect.ops.services.profile import profile_choose
from restores.models import (
    Approval,
    ApprovalPolicy,
    BreakGlassUse,
    RestoreRequest,
    RestoreRun,
    RestoreSettings,
    SmokeTest,
)
from restores.selectors.history import split_of
from restores.selectors.requests import request_detail
from tests.dashboard import seed
from tests.dashboard.conftest import ClientOf
from tests.dashboard.seed_restores import DONE, DRAFT, WAITING

pytestmark = pytest.mark.usefixtures("catalogue", "db")
LIMITS = {
    "jobs": "4", "drain_seconds": "20", "watch_seconds": "120", "keep_hours": "48",
    "duration_limit_percent": "150", "mismatch_limit_permille": "0.5", "free_limit_percent": "15",
}  # fmt: skip


def body(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]


def test_settings_are_changed_and_the_password_is_never_shown(client_of: ClientOf, settings: Any):
    settings.RESTORE_HOOKS = [["pg_ctlcluster", "17"]]
    lead, address = client_of("DBA Lead"), "/instances/billing/restoring/edit/"
    typed = LIMITS | {
        "user": "restorer", "password": "planted secret", "stop_command": "pg_ctlcluster\n17\nmain\nstop",
        "http_prefixes": "https://billing.example/",
    }  # fmt: skip
    assert lead.post(address, typed).status_code == 302
    row = RestoreSettings.objects.get(instance__name="billing")
    assert row.stop_command == ["pg_ctlcluster", "17", "main", "stop"] and row.mismatch_limit_permille == 0.5
    sealed = row.password_sealed
    assert sealed and "planted" not in sealed
    shown = body(lead.get("/instances/billing/restoring/")) + body(lead.get(address))
    assert "stored encrypted, never shown" in shown and "planted" not in shown and sealed not in shown
    assert lead.post(address, typed | {"password": ""}).status_code == 302
    row.refresh_from_db()
    assert row.password_sealed == sealed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jobs", "0"),
        ("keep_hours", "0"),
        ("user", 'x"; DROP'),
        ("http_prefixes", "https://me:pw@shop.example/"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field(name: str, value: str, client_of: ClientOf):
    answer = client_of("DBA Lead").post("/instances/identity/restoring/edit/", LIMITS | {name: value})
    assert answer.status_code == 400 and f'id="id_{name}_error"' in body(answer)
    assert not RestoreSettings.objects.filter(instance__name="identity").exists()


def test_a_smoke_test_is_added_changed_and_removed(client_of: ClientOf):
    lead = client_of("Senior DBA")
    typed = {"name": "paid", "kind": "sql", "question": "DELETE FROM invoices", "timeout_seconds": "5"}
    refused = lead.post("/instances/billing/smoke-tests/add/", typed)
    assert refused.status_code == 400 and "one statement that begins with SELECT" in body(refused)
    elsewhere = typed | {"kind": "http", "question": "http://169.254.169.254/latest/"}
    assert "add it to the addresses" in body(lead.post("/instances/billing/smoke-tests/add/", elsewhere))
    typed |= {"question": "SELECT count(*) FROM invoices", "enabled": "on"}
    assert lead.post("/instances/billing/smoke-tests/add/", typed).status_code == 302
    test = SmokeTest.objects.get(instance__name="billing")
    assert lead.post(f"/smoke-tests/{test.pk}/", typed | {"expected": "42"}).status_code == 302
    page = body(lead.get("/instances/billing/restoring/"))
    assert "SELECT count(*) FROM invoices" in page and "42" in page
    assert lead.post(f"/smoke-tests/{test.pk}/remove/").status_code == 302
    assert not SmokeTest.objects.filter(pk=test.pk).exists()


def test_whoever_only_sees_an_instance_reads_but_changes_nothing(client_of: ClientOf):
    test = SmokeTest.objects.get(instance__name="orders")
    auditor, dba = client_of("auditor"), client_of("DBA")
    page = body(auditor.get("/instances/orders/restoring/"))
    assert "orders of today" in page and "Edit</a>" not in page and "Remove" not in page
    assert auditor.post(f"/smoke-tests/{test.pk}/remove/").status_code == 403
    assert dba.post(f"/smoke-tests/{test.pk}/remove/").status_code == 404
    assign_perm("view_instance", User.objects.get(username="dba"), Instance.objects.get(name="orders"))
    assert dba.get("/instances/orders/restoring/").status_code == 200
    assert dba.post(f"/smoke-tests/{test.pk}/remove/").status_code == 403
    assert SmokeTest.objects.filter(pk=test.pk).exists()


def test_a_restore_is_seen_from_either_side_and_its_rows_from_both(client_of: ClientOf):
    source, target = Instance.objects.get(name="orders"), Instance.objects.get(name="billing")
    RestoreRequest.objects.filter(restore_id=DRAFT).update(
        scope="table", instance=source, target_instance=target, databases=["shop"], tables=[["public", "t"]]
    )
    dba, person = client_of("DBA"), User.objects.get(username="dba")
    assert dba.get(f"/restores/{DRAFT}/").status_code == 404
    for right in ("view_instance", "restore_instance"):
        assign_perm(right, person, target)
    assert dba.get(f"/restores/{DRAFT}/").status_code == 200
    row = RestoreRequest.objects.get(restore_id=DRAFT)
    now = clock.now()
    fresh = User.objects.get(pk=person.pk)
    assert not request_detail(user=fresh, restore_id=row.restore_id, now=now).sees_rows
    for right in ("view_instance", "restore_instance"):
        assign_perm(right, person, source)
    fresh = User.objects.get(pk=person.pk)
    assert request_detail(user=fresh, restore_id=row.restore_id, now=now).sees_rows


def test_the_history_says_what_the_recovery_time_was_made_of(client_of: ClientOf):
    run = RestoreRun.objects.get(request__restore_id=DONE)
    parts = {part.word: part for part in split_of(run)}
    assert sum(part.seconds for part in parts.values()) == pytest.approx(run.rto_seconds, abs=1)
    assert parts["signing"].is_waiting and not parts["transfer"].is_waiting
    assert sum(part.width for part in parts.values()) == pytest.approx(1000, abs=5)
    page = body(client_of("auditor").get("/restores/history/"))
    assert (
        "signing 4 min" in page
        and "transfer 2 min 10 s" in page
        and page.count('<rect class="w') == len(parts)
    )
    assert "broke the glass" not in page, "that one was signed"
    glass = BreakGlassUse.objects.get()
    BreakGlassUse.objects.filter(pk=glass.pk).update(request=run.request, plan_hash=run.request.plan_hash)
    page = body(client_of("auditor").get("/restores/history/"))
    assert "Without its signatures: breaker broke the glass (The shop is down.)" in page
    assert "No run matches" in body(client_of("auditor").get("/restores/history/?state=failed"))
    assert "No restore has ended yet" in body(client_of("DBA").get("/restores/history/"))


@pytest.mark.parametrize(
    ("profile", "scope", "needed"),
    [
        ("production", "database", ["ticket", "window_start", "window_end"]),
        ("production", "table", ["ticket"]),
        ("production", "test", []),
        ("homelab", "database", []),
    ],
)
def test_what_the_profile_demands_is_not_called_optional(
    profile: str, scope: str, needed: list[str], client_of: ClientOf
):
    profile_choose(actor="system:root", profile=profile)
    draft = RestoreRequest.objects.get(restore_id=DRAFT)
    target = None if scope == "test" else draft.instance
    RestoreRequest.objects.filter(pk=draft.pk).update(scope=scope, target_instance=target, databases=["shop"])
    lead, address = client_of("DBA Lead"), f"/restores/{DRAFT}/submit/"
    fields = ("ticket", "window_start", "window_end")
    labels = [line for line in body(lead.get(address)).splitlines() if '<label class="form-label"' in line]
    demanded = [name for name in fields for line in labels if f"id_{name}" in line and "optional" not in line]
    assert demanded == needed
    refused = body(lead.post(address, {"reason": "Why.", "typed_target": "shop"}))
    assert [name for name in fields if f'id="id_{name}_error"' in refused] == needed


def test_a_rollback_that_is_under_way_is_followed_and_not_offered_again(client_of: ClientOf):
    lead, row = client_of("DBA Lead"), RestoreRequest.objects.get(restore_id=DONE)
    assert "Roll it back" in body(lead.get(f"/restores/{DONE}/"))
    job = seed.job(
        row.instance, clock.now(), "running", kind="run_rollback", arguments={"request_pk": row.pk}
    )
    page = body(lead.get(f"/restores/{DONE}/"))
    assert "Being rolled back." in page and "Roll it back" not in page
    follow = f"/restores/{DONE}/progress/?state=rolling_back"
    assert follow in page and 'http-equiv="refresh"' in page
    assert "Being rolled back." not in body(lead.get(follow)), "told once"
    job.state = "succeeded"
    job.save()
    row.state = "rolled_back"
    row.save()
    ended = body(lead.get(follow))
    assert "Rolled back." in ended and "hx-get" not in ended


def test_who_signs_what_is_told_in_words(client_of: ClientOf):
    page = body(client_of("DBA").get("/restores/policy/"))
    assert "Senior DBA and Engineering Manager" in page and "up to 500 GB" in page and "up to 1 TB" in page
    assert "For DBA also Senior DBA or DBA Lead may sign" in page and "whoever asks" in page


def test_why_it_is_denied_is_typed_once_whatever_proof_is_asked(client_of: ClientOf):
    lead, address = client_of("DBA Lead"), f"/restores/{WAITING}/"
    session = lead.session
    session.pop("account_authentication_methods", None)
    session.save()
    typed = {"plan_hash": "0" * 64, "reason": "The import of <14:03> is wanted."}
    asked = lead.post(f"{address}deny/", typed, headers={"referer": f"http://testserver{address}"})
    assert asked["location"].startswith("/account/confirm/")
    shown = body(lead.get(address))
    assert 'maxlength="500">The import of &lt;14:03&gt; is wanted.</textarea>' in shown
    assert shown.count("is wanted.") == 1, "not in the form that signs"
    assert not Approval.objects.filter(request__restore_id=WAITING).exists()


def test_a_proposal_is_read_before_it_is_signed_or_rejected(client_of: ClientOf):
    made, vice, auditor = (
        ApprovalPolicy.objects.get(version=2),
        client_of("VP Engineering"),
        client_of("auditor"),
    )
    page = body(vice.get("/restores/policy/"))
    assert "Sign it as VP Engineering" in page and made.rows_hash in page and "up to 200 GB" in page
    assert "Sign it" not in body(auditor.get("/restores/policy/"))
    assert "Propose another" not in page and "Propose another" in body(
        client_of("DBA Lead").get("/restores/policy/")
    )
    said = {"rows_hash": made.rows_hash, "role": "VP Engineering", "reason": "Not before the new disks."}
    vice.post("/restores/policy/2/reject/", said | {"rows_hash": "0" * 64})
    auditor.post("/restores/policy/2/reject/", said)
    assert not made.approvals.exists()
    vice.post("/restores/policy/2/reject/", said)
    made.refresh_from_db()
    assert made.state == "rejected" and made.approvals.get().reason == "Not before the new disks."
