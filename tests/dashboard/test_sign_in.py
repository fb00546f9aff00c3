"""Signing in as people do: password, app, recovery code, security key; asked again; limited; no script."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from catalog import roles
from catalog.models import RoleGrant
from dataprotect.ops.models import AuditEvent, ProfileChoice
from tests.dashboard import seed
from tests.dashboard.browser import give_session, sign_in
from tests.dashboard.factors import App, Key
from tests.dashboard.test_accessibility import findings, look
from tests.people import session_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NewPage = Callable[..., Page]


def verbs() -> list[str]:
    events = AuditEvent.objects.filter(verb__startswith="user.").order_by("sequence")
    return [event.verb for event in events if "role" not in event.verb]


def enter(page: Page, base: str, name: str, password: str = seed.PASSWORD) -> None:
    """Name and password only: what comes next depends on the person."""
    page.goto(f"{base}/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def confirm(page: Page, password: str = seed.PASSWORD) -> None:
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_label("Your password").fill(password)
    page.get_by_role("button", name="Confirm").click()


def set_up_app(page: Page, base: str) -> tuple[App, list[str]]:
    """From the account page to the recovery codes; returns the app and the codes."""
    page.goto(f"{base}/account/")
    page.get_by_role("link", name="Add a second factor").click()
    page.get_by_role("link", name="Set up an app").click()
    confirm(page)
    app = App(page.locator("#totp-secret").inner_text())
    picture = page.locator("img.qr")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_label("Code that the app shows").fill(app.code())
    page.get_by_role("button", name="Use this app").click()
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10
    return app, codes


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_password_app_and_recovery_code(script: bool, site: str, new_page: NewPage) -> None:
    seed.person("anna", roles.DBA)
    page = new_page(java_script_enabled=script)
    enter(page, site, "anna", "wrong")
    expect(page.get_by_role("alert")).to_have_text("Name and password do not match. Both are case-sensitive.")
    sign_in(page, site, "anna", seed.PASSWORD)
    app, codes = set_up_app(page, site) if script else set_up_app_without_script(page, site)
    stored = str(Authenticator.objects.get(type="totp").data)
    assert "v1:" in stored and app.secret not in stored, "sealed"

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{site}/jobs/")
    page.get_by_label("Username").fill("anna")
    page.get_by_label("Password").fill(seed.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_label("Code of the app").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".error-line:visible").first).to_contain_text("not the code of this moment")
    page.get_by_label("Code of the app").fill(app.code())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site}/jobs/")

    for code, taken in ((codes[3], True), (codes[3], False)):
        page.get_by_role("button", name="Sign out").click() if taken else page.context.clear_cookies()
        enter(page, site, "anna")
        page.get_by_label("Code of the app").fill(code)
        page.get_by_role("button", name="Sign in").click()
        if taken:
            page.wait_for_url(f"{site}/")
        else:
            expect(page.locator(".error-line:visible").first).to_contain_text("used already")
    renewed = [] if script else ["user.second_factor_removed", "user.second_factor_added"]
    assert verbs() == [
        "user.sign_in_failed", "user.signed_in", "user.reauthenticated", "user.second_factor_added",
        "user.second_factor_added", *renewed, "user.sign_in_failed", "user.signed_in", "user.signed_in",
    ]  # fmt: skip
    last = AuditEvent.objects.filter(verb="user.signed_in").first()
    assert last is not None and last.data["with"] == ["password", "recovery_codes"]


def set_up_app_without_script(page: Page, base: str) -> tuple[App, list[str]]:
    """The same; without a script nothing can be asked of the picture."""
    page.goto(f"{base}/account/second-factor/app/")
    confirm(page)
    app = App(page.locator("#totp-secret").inner_text())
    page.get_by_label("Code that the app shows").fill(app.code())
    page.get_by_role("button", name="Use this app").click()
    page.goto(f"{base}/account/second-factor/keys/add/")
    expect(page.get_by_role("button", name="Add the key")).to_be_hidden()
    expect(page.get_by_text("Security keys need JavaScript")).to_be_visible()
    page.goto(f"{base}/account/second-factor/codes/new/")
    page.get_by_role("button", name="Make new codes").click()
    return app, page.locator(".codes li").all_inner_texts()


def test_a_security_key(site: str, new_page: NewPage) -> None:
    seed.person("kim", roles.SENIOR_DBA)
    page = new_page()
    sign_in(page, site, "kim", seed.PASSWORD)
    key = Key(page)
    page.goto(f"{site}/account/second-factor/")
    page.get_by_role("link", name="Add a security key").click()
    confirm(page)
    page.get_by_label("What you call this key").fill("Blue key")
    page.get_by_role("button", name="Add the key").click()
    expect(page.locator(".codes li")).to_have_count(10)

    page.get_by_role("button", name="Sign out").click()
    enter(page, site, "kim")
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(f"{site}/")
    age_the_proof()
    page.goto(f"{site}/account/second-factor/keys/add/")
    page.get_by_role("link", name="Use a security key").click()
    page.get_by_role("button", name="Use the security key").click()
    page.wait_for_url(f"{site}/account/second-factor/keys/add/")

    key.pull_out()
    other = Key(page)
    age_the_proof()
    page.goto(f"{site}/account/confirm/key/?next=/jobs/")
    page.get_by_role("button", name="Use the security key").click()
    expect(page.locator("#key-trouble")).to_be_visible()
    other.pull_out()
    page.goto(f"{site}/account/second-factor/keys/")
    page.get_by_role("link", name="Remove Blue key").click()
    confirm(page)
    page.get_by_role("button", name="Remove the key").click()
    expect(page.get_by_text("You have no security key here.")).to_be_visible()
    assert not Authenticator.objects.exists(), "the recovery codes went with the last key"
    assert verbs().count("user.second_factor_removed") == 2
    assert AuditEvent.objects.filter(verb="user.signed_in").first().data["with"] == ["password", "webauthn"]


def age_the_proof(seconds: int = 301) -> None:
    """Every proof in every session becomes that much older: nobody waits five minutes in a test."""
    for row in Session.objects.all():
        store = row.get_session_store_class()(row.session_key)
        records = store.get("account_authentication_methods", [])
        store["account_authentication_methods"] = [
            record | {"at": record["at"] - seconds} for record in records
        ]
        store.save()


def test_a_role_takes_a_fresh_proof_and_nothing_is_sent_twice(site: str, new_page: NewPage) -> None:
    lead = seed.person("lead", roles.DBA_LEAD)
    seed.person("dora")
    page = new_page()
    sign_in(page, site, "lead", seed.PASSWORD)
    page.get_by_role("link", name="Choose the operating profile").click()
    page.get_by_label("Homelab").check()
    page.get_by_role("button", name="Choose this profile").click()
    expect(page.get_by_role("status")).to_contain_text("run as homelab")
    assert ProfileChoice.objects.get().chosen_by == "lead"

    page.goto(f"{site}/people/role/")
    page.get_by_label("Person").select_option("dora")
    page.get_by_label("Role").select_option(roles.DBA)
    age_the_proof()
    page.get_by_role("button", name="Give this role").click()
    expect(page.get_by_role("status")).to_contain_text("nothing was done yet")
    confirm(page, "not it")
    expect(page.locator("#id_password_error")).to_have_text("This is not your password.")
    confirm(page)
    page.wait_for_url(f"{site}/people/role/")
    assert not RoleGrant.objects.filter(user__username="dora").exists(), "the form was not sent by itself"
    page.get_by_label("Person").select_option("dora")
    page.get_by_label("Role").select_option(roles.DBA)
    page.get_by_role("button", name="Give this role").click()
    expect(page.get_by_role("status")).to_contain_text("dora is DBA now.")
    page.goto(f"{site}/people/role/")
    page.get_by_label("Person").select_option("lead")
    page.get_by_label("Role").select_option(roles.SENIOR_DBA)
    page.get_by_role("button", name="Give this role").click()
    expect(page.get_by_role("status")).to_contain_text("counts for approvals from tomorrow on")
    expect(page.get_by_role("row", name="lead").get_by_text("Counts from")).to_be_visible()
    page.get_by_role("button", name="Take back Senior DBA from lead").click()
    assert set(lead.groups.values_list("name", flat=True)) == {roles.DBA_LEAD}


def test_guessing_is_limited_and_summed_up(site: str, new_page: NewPage) -> None:
    seed.person("anna", roles.DBA)
    page = new_page()
    for _ in range(6):
        enter(page, site, "anna", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("too many failed attempts")
    enter(page, site, "anna")
    expect(page.get_by_role("alert")).to_contain_text("too many failed attempts")
    for number in range(3):
        enter(page, site, f"nobody-{number}")
        expect(page.get_by_role("alert")).to_contain_text("do not match")
    enter(page, site, "nobody-3")
    expect(page.get_by_role("alert")).to_contain_text("too many failed attempts"), "ten from one address"
    failures = AuditEvent.objects.filter(verb="user.sign_in_failed").order_by("sequence")
    told = [(event.data.get("name"), event.data["failures"]) for event in failures]
    assert told == [("anna", 1), ("anna", 5), (None, 1)]
    assert "nobody-" not in "".join(event.data_json for event in failures)


def test_changing_the_password_ends_other_sessions(site: str, new_page: NewPage) -> None:
    user = seed.person("anna", roles.DBA)
    page, elsewhere = new_page(), new_page()
    give_session(elsewhere.context, site, session_of(user))
    sign_in(page, site, "anna", seed.PASSWORD)
    page.get_by_title("Account of anna").click()
    page.get_by_role("link", name="Change your password").click()
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password", exact=True).fill("another long passphrase")
    page.get_by_label("New password again").fill("another long passphrase")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("#id_oldpassword_error")).to_contain_text("not your current password")
    page.get_by_label("Current password").fill(seed.PASSWORD)
    page.get_by_label("New password", exact=True).fill("another long passphrase")
    page.get_by_label("New password again").fill("another long passphrase")
    page.get_by_role("button", name="Change password").click()
    page.wait_for_url(f"{site}/account/")
    elsewhere.goto(f"{site}/account/")
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(elsewhere, site, "anna", "another long passphrase")
    assert "user.password_changed" in verbs()


def test_axe_finds_nothing(site: str, new_page: NewPage) -> None:
    """The pages that are not in the lists of the others: forms of factors, in every state, light and dark."""
    lead = seed.person("lead", roles.DBA_LEAD)
    page = new_page()
    give_session(page.context, site, session_of(lead, reauthenticated=True))
    own = "/account/second-factor"
    problems = list(look(page, site, {"key": f"{own}/keys/add/", "confirm": "/account/confirm/?next=/"}))
    problems += look(page, site, {"app": f"{own}/app/"})
    app = App(page.locator("#totp-secret").inner_text())
    page.get_by_label("Code that the app shows").fill(app.code())
    page.get_by_role("button", name="Use this app").click()
    expect(page.locator(".codes li")).to_have_count(10)
    problems += findings(page, "codes")
    Key(page)
    page.goto(f"{site}{own}/keys/add/")
    page.get_by_role("button", name="Add the key").click()
    page.wait_for_url(f"{site}{own}/")
    key = Authenticator.objects.get(type="webauthn").pk
    more = {
        "index": f"{own}/", "keys": f"{own}/keys/", "rename": f"{own}/keys/{key}/rename/",
        "remove": f"{own}/keys/{key}/remove/", "codes": f"{own}/codes/", "new codes": f"{own}/codes/new/",
        "no app": f"{own}/app/remove/", "confirm by code": "/account/confirm/code/?next=/",
        "confirm by key": "/account/confirm/key/?next=/", "account": "/account/",
    }  # fmt: skip
    problems += look(page, site, more)
    page.context.clear_cookies()
    enter(page, site, "lead")
    page.wait_for_url(f"{site}/login/second-factor/")
    problems += look(page, site, {"second factor": "/login/second-factor/"})
    assert not problems, "\n".join(problems)


def test_there_is_no_other_way_in(site: str, new_page: NewPage) -> None:
    page = new_page()
    for address in ("signup", "account/signup", "account/email", "password/reset", "account/password/reset"):
        answer = page.goto(f"{site}/{address}/")
        assert answer is not None and answer.status == 404, address
