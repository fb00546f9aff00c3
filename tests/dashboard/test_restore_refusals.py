"""Every refusal of a restore as people meet it: what a page offers, and what it says to who tries anyway."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from catalog import roles
from catalog.models import Instance, RoleGrant
from catalog.services.change_request import payload_hash
from catalog.states import GrantDoor
from dataprotect.core import clock
from restores.models import Approval, RestoreRequest, RestoreRun
from restores.services.request_cancel import restores_expire
from tests.dashboard import seed
from tests.dashboard.waiting_restore import RESTORE, AtRestore, Dba, offers, send, stands, told, waiting

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BOTH = (roles.SENIOR_DBA, roles.ENGINEERING_MANAGER)


def test_who_asked_and_who_has_not_the_role_finds_no_form_and_is_refused(
    site: str, orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna, double = dba("anna"), dba("anna2")
    RoleGrant.objects.filter(user=double).update(
        door=GrantDoor.PERSON, granted_by=double, granted_at=clock.now() - timedelta(hours=1)
    )
    row = waiting(orders, anna)
    refusals = {
        anna: ("so another person signs it", "You asked for this restore: another person has to sign it."),
        double: ("is yours to give", "You do not fill the role DBA for orders, or your role does not count"),
        seed.person("emil", roles.ENGINEERING_MANAGER): ("is yours to give", "You do not fill the role DBA"),
    }
    for user, (offered, refused) in refusals.items():
        page = at_restore(user)
        expect(page.get_by_text(offered)).to_be_visible()
        offers(page, *(() if user.username == "emil" else ("Cancel",)))
        send(page, "approve", plan_hash=row.plan_hash, role=roles.DBA)
        told(page, refused)
        send(page, "deny", plan_hash=row.plan_hash, reason="So that it ends.")
        told(page, refused)
    stranger = at_restore(seed.person("far", roles.DBA))
    expect(stranger.get_by_role("heading", name="Nothing is here")).to_be_visible()
    stranger.goto(f"{site}/restores/")
    send(stranger, "approve", plan_hash=row.plan_hash, role=roles.DBA)
    expect(stranger.get_by_role("heading", name="Nothing is here")).to_be_visible()
    row.refresh_from_db()
    assert row.state == "awaiting" and not Approval.objects.exists()


def test_a_denial_takes_a_reason_and_ends_it_for_everybody(
    orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna = dba("anna")
    waiting(orders, anna, *BOTH)
    selma = at_restore(seed.person("selma", roles.SENIOR_DBA))
    emil = at_restore(seed.person("emil", roles.ENGINEERING_MANAGER))
    selma.get_by_role("button", name="Deny it").click()
    told(selma, "Expected why it is denied, in a sentence for whoever asked.")
    selma.get_by_label("Why not").fill("The import runs until ten.")
    selma.get_by_role("button", name="Deny it").click()
    expect(selma.get_by_role("heading", name="Rejected by selma.")).to_be_visible()

    emil.get_by_role("button", name="Approve the plan").click()
    told(emil, f"The restore {RESTORE} is rejected: there is nothing to decide.")
    page = at_restore(anna)
    expect(page.get_by_label("How it stands")).to_contain_text("The import runs until ten.")
    offers(page)
    send(page, "start")
    told(page, f"The restore {RESTORE} is rejected: it cannot be started.")


def test_a_changed_plan_voids_what_was_signed_and_what_was_only_read(
    site: str, orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna = dba("anna")
    row = waiting(orders, anna, *BOTH)
    selma = at_restore(seed.person("selma", roles.SENIOR_DBA))
    emil = at_restore(seed.person("emil", roles.ENGINEERING_MANAGER))
    eva = at_restore(seed.person("eva", roles.ENGINEERING_MANAGER))
    selma.get_by_role("button", name="Approve the plan").click()
    expect(selma.get_by_role("heading", name="It waits for Engineering Manager.")).to_be_visible()

    page = at_restore(anna)
    page.goto(f"{site}/restores/{RESTORE}/target/")
    page.get_by_role("textbox", name="Database").fill("ledger")
    page.get_by_role("button", name="Save and look at the plan").click()
    expect(page.get_by_role("heading", name="Preflight and plan")).to_be_visible()
    emil.get_by_role("button", name="Approve the plan").click()
    told(emil, f"The restore {RESTORE} is draft: there is nothing to decide.")
    stands(selma, "A draft.")
    selma.get_by_role("link", name="Approvals").first.click()
    expect(selma.get_by_role("row").filter(has_text=RESTORE)).to_contain_text("void: the plan was changed")

    plan = row.plan | {"databases": [{"name": "ledger", "bytes": seed.GIB}]}
    RestoreRequest.objects.update(state="awaiting", plan=plan, plan_hash=payload_hash(plan))
    eva.get_by_role("button", name="Approve the plan").click()
    told(eva, f"The plan of {RESTORE} is not the one that was shown.")
    stands(eva, "It waits for Senior DBA and Engineering Manager.")
    assert Approval.objects.get().voided_at is not None


def test_what_lapsed_is_neither_signed_nor_started(orders: Instance, dba: Dba, at_restore: AtRestore) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = waiting(orders, anna)
    signer, asker = at_restore(ben), at_restore(anna)
    rows = RestoreRequest.objects.filter(pk=row.pk)
    soon, over = clock.now() + timedelta(hours=1), clock.now() - timedelta(seconds=1)
    rows.update(approval_until=over)
    signer.get_by_role("button", name="Approve the plan").click()
    told(signer, f"The request {RESTORE} lapsed at")
    rows.update(approval_until=soon)
    signer.get_by_role("button", name="Approve the plan").click()
    expect(signer.get_by_role("heading", name="It may be started.")).to_be_visible()

    asker.reload()
    rows.update(execute_until=over)
    asker.get_by_role("button", name="Start the restore").click()
    told(asker, f"The right to start {RESTORE} has lapsed.")
    assert restores_expire() == 1
    stands(asker, "Expired by system.")
    expect(asker.get_by_label("How it stands")).to_contain_text("It was not started in time")
    offers(asker)
    assert not RestoreRun.objects.exists()


def test_the_emergency_stop_is_on_every_page_and_nothing_starts(
    site: str, orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna, ben = dba("anna"), dba("ben")
    waiting(orders, anna)
    signer, asker = at_restore(ben), at_restore(anna)
    signer.get_by_role("button", name="Approve the plan").click()
    asker.reload()
    signer.goto(f"{site}/stop/raise/")
    signer.get_by_label("Reason").fill("The storage loses writes.")
    signer.get_by_role("button", name="Stop everything").click()

    asker.get_by_role("button", name="Start the restore").click()
    told(asker, "The emergency stop is active")
    for address in (f"/restores/{RESTORE}/", "/restores/new/", "/restores/approvals/", "/"):
        asker.goto(site + address)
        banner = asker.get_by_role("region", name="Emergency stop notice")
        expect(banner).to_contain_text("raised by ben: The storage loses writes.")
    assert not RestoreRun.objects.exists()


def test_what_would_fail_later_is_told_on_the_plan_and_not_submitted(
    site: str, orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna = dba("anna")
    waiting(orders, anna, state="draft", plan={}, plan_hash="")
    page = at_restore(anna)
    page.get_by_role("link", name="Go on with the draft").click()
    checks = page.get_by_role("region", name="Preflight", exact=True)
    expect(checks.get_by_role("listitem").filter(has_text="server answers")).to_contain_text(
        "Nothing answers at 127.0.0.1:1."
    )
    expect(checks.get_by_role("listitem").filter(has_text="repository and key")).to_contain_text(
        re.compile("There is no repository at this address|keyring.json cannot be read")
    )
    expect(page.get_by_text("It is not taken as long as a check fails.")).to_be_visible()
    page.get_by_role("link", name="Go on to ticket and confirmation").click()
    page.get_by_label("Type the name").fill("shop")
    page.get_by_role("button", name="Freeze the plan").click()
    told(page, re.compile("It would fail later. .*server answers: Nothing answers at"))  # type: ignore[arg-type]
    expect(page.get_by_label("Reason")).to_have_value("Orders were overwritten by the import of 14:03.")
    assert RestoreRequest.objects.get().state == "draft"


def test_an_old_proof_is_asked_for_again_and_what_was_typed_stays(
    site: str, orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = waiting(orders, anna)
    old = clock.now() - timedelta(minutes=6)
    signer = at_restore(ben, at=old)
    signer.get_by_label("Why (optional)").fill("I saw the import.")
    signer.get_by_role("button", name="Approve the plan").click()
    prove(signer)
    assert not Approval.objects.exists(), "nothing is sent by itself"
    expect(signer.get_by_label("Why (optional)")).to_have_value("I saw the import.")
    signer.get_by_role("button", name="Approve the plan").click()
    expect(signer.get_by_role("heading", name="It may be started.")).to_be_visible()
    expect(signer.get_by_role("region", name="Signatures")).to_contain_text("I saw the import.")

    asker = at_restore(anna, at=old)
    asker.get_by_role("button", name="Start the restore").click()
    prove(asker)
    row.refresh_from_db()
    assert row.state == "approved" and not RestoreRun.objects.exists()
    asker.get_by_role("button", name="Start the restore").click()
    expect(asker.get_by_text("It is started. You can close this page.")).to_be_visible()
    assert RestoreRun.objects.get().request == row


def prove(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    expect(page.get_by_text("nothing was done yet")).to_be_visible()
    page.get_by_label("Your password").fill(seed.PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(f"**/restores/{RESTORE}/")
