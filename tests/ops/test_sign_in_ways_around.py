"""Ways around signing in that somebody would try, each refused: by requests alone, without a browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from catalog import roles
from catalog.services.person import person_new_password, person_switch
from dataprotect.core import clock
from tests.dashboard.factors import App
from tests.people import prove, with_role

pytestmark = pytest.mark.django_db
PASSWORD = "a long passphrase for tests"
LOGIN, CODE, CONFIRM = "/login/", "/login/second-factor/", "/account/confirm/"
OWN = "/account/second-factor"
FOREIGN = (
    "https://evil.example/", "//evil.example/", "///evil.example/", "/\\evil.example/", "\\\\evil.example",
    "https:evil.example", "javascript:alert(1)", "http://testserver@evil.example/", "\thttps://evil.example/",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _plain(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", password=PASSWORD)


@pytest.fixture
def app(anna: User) -> App:
    secret = generate_totp_secret()
    TOTP.activate(anna, secret)
    RecoveryCodes.activate(anna)
    return App(secret)


def enter(client: Client, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"login": "anna", "password": password, **more})


def signed_in(client: Client) -> bool:
    return bool(client.get("/account/").status_code == 200)


def test_next_leads_nowhere_else(anna: User) -> None:
    for target in FOREIGN:
        client = Client()
        assert enter(client, next=target)["location"] == "/", target
        for next_one in (
            {"path": CONFIRM, "data": {"password": PASSWORD, "next": target}},
            {"path": f"{CONFIRM}?{urlencode({'next': target})}", "data": {"password": PASSWORD}},
        ):
            answer = client.post(**next_one)
            assert answer.status_code == 302 and urlsplit(answer["location"]).netloc == "", target
            assert "evil" not in answer["location"] and "alert" not in answer["location"], target
        cache.clear()


def test_next_leads_nowhere_else_after_a_second_factor(app: App) -> None:
    for target in FOREIGN[:3]:
        client = Client()
        assert enter(client, next=target)["location"].startswith(CODE)
        assert client.post(CODE, {"code": app.code()})["location"] == "/", target


def test_a_planted_session_is_not_the_one_that_is_signed_in(anna: User, client: Client) -> None:
    client.get(LOGIN)
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["sessionid"] = session.session_key
    enter(client)
    attacker = Client()
    attacker.cookies["sessionid"] = session.session_key
    assert signed_in(client) and not signed_in(attacker)
    assert client.session.session_key != session.session_key


def test_the_password_alone_is_not_signed_in(app: App, client: Client) -> None:
    enter(client)
    assert not signed_in(client)
    for address in (f"{OWN}/", f"{OWN}/app/remove/", f"{OWN}/codes/", CONFIRM, f"{CONFIRM}code/", "/jobs/"):
        answer = client.get(address)
        assert answer.status_code == 302 and answer["location"].startswith(LOGIN), address
    assert client.post(f"{OWN}/app/remove/").status_code == 302
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 302 and not signed_in(client)
    assert Authenticator.objects.filter(type="totp").exists()


def test_codes_are_limited_across_sessions_and_sign_ins(app: App, anna: User) -> None:
    for number in range(5):
        client = Client(REMOTE_ADDR=f"10.0.0.{number + 1}")
        enter(client)
        assert client.post(CODE, {"code": "000000"}).status_code == 200
    last = Client(REMOTE_ADDR="10.0.0.99")
    enter(last)
    last.post(CODE, {"code": app.code()})
    assert not signed_in(last), "the right code is not taken either"


def test_guessing_at_the_confirmation_is_limited(anna: User, client: Client) -> None:
    prove(client, anna, at=clock.now() - timedelta(hours=1))
    answers = [client.post(CONFIRM, {"password": f"wrong {number}"}).status_code for number in range(11)]
    assert answers == [200] * 10 + [429]
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 429
    assert client.get(f"{OWN}/app/").status_code == 302, "not fresh"


def test_a_code_is_good_once(app: App, anna: User) -> None:
    code = app.code()
    for expected in (True, False):
        client = Client()
        enter(client)
        client.post(CODE, {"code": code})
        assert signed_in(client) is expected


@pytest.mark.parametrize(
    "address", ["app/remove/", "codes/new/", "keys/add/", "keys/{key}/remove/", "keys/{key}/rename/"]
)
def test_factors_change_with_a_fresh_proof_only(address: str, app: App, anna: User, client: Client) -> None:
    key = Authenticator.objects.create(user=anna, type="webauthn", data={"name": "Blue", "credential": {}})
    prove(client, anna, at=clock.now() - timedelta(seconds=301), reauthenticated=True)
    before = list(Authenticator.objects.order_by("pk").values_list("pk", "type", "data"))
    for ask in (client.get, client.post):
        answer = ask(f"{OWN}/{address.format(key=key.pk)}")
        assert answer.status_code == 302 and answer["location"].startswith(CONFIRM), ask
    assert list(Authenticator.objects.order_by("pk").values_list("pk", "type", "data")) == before


def test_an_app_is_added_with_a_fresh_proof_only(anna: User, client: Client) -> None:
    prove(client, anna, at=clock.now() - timedelta(seconds=301), reauthenticated=True)
    assert client.get(f"{OWN}/app/")["location"].startswith(CONFIRM)
    assert client.post(f"{OWN}/app/", {"code": "000000"})["location"].startswith(CONFIRM)
    assert client.get(f"{OWN}/app/picture.svg").status_code == 404, "no secret is shown before"


def test_nobody_touches_the_key_of_another(anna: User, client: Client) -> None:
    other = User.objects.create_user("bert", password=PASSWORD)
    key = Authenticator.objects.create(user=other, type="webauthn", data={"name": "Blue", "credential": {}})
    prove(client, anna, reauthenticated=True)
    for address in (f"{OWN}/keys/{key.pk}/remove/", f"{OWN}/keys/{key.pk}/rename/"):
        assert client.post(address, {"name": "Mine"}).status_code == 404, address
    key.refresh_from_db()
    assert key.data["name"] == "Blue"


def test_recovery_codes_are_shown_once(anna: User, client: Client) -> None:
    prove(client, anna, reauthenticated=True)
    asked = client.get(f"{OWN}/app/")
    assert asked.status_code == 200, asked.headers
    secret = client.session["mfa.totp.secret"]
    first = client.post(f"{OWN}/app/", {"code": App(secret).code()}, follow=True)
    codes = RecoveryCodes(Authenticator.objects.get(user=anna, type="recovery_codes")).get_unused_codes()
    assert len(codes) == 10 and all(code in first.content.decode() for code in codes)
    again = client.get(f"{OWN}/codes/").content.decode()
    assert not any(code in again for code in codes)


def test_switched_off_is_out_at_once_with_every_door(app: App, anna: User, client: Client) -> None:
    halfway = Client()
    enter(halfway)
    prove(client, anna)
    assert signed_in(client)
    person_switch(actor="system:test", user=anna, active=False)
    assert not signed_in(client)
    assert client.get("/api/v1/jobs").status_code == 401
    halfway.post(CODE, {"code": app.code()})
    assert not signed_in(halfway), "the password was right before it was switched off"
    enter(halfway)
    assert not signed_in(halfway)


def test_a_new_password_ends_what_was_begun_with_the_old_one(anna: User, client: Client) -> None:
    prove(client, anna)
    assert signed_in(client)
    person_new_password(actor="system:test", user=anna)
    assert not signed_in(client) and not signed_in(_entered())


def _entered() -> Client:
    client = Client()
    enter(client)
    return client


def test_signing_out_leaves_nothing_and_takes_a_post(anna: User, client: Client) -> None:
    prove(client, anna)
    stolen = Client()
    stolen.cookies["sessionid"] = client.session.session_key
    assert client.get("/logout/").status_code == 405 and signed_in(stolen)
    client.post("/logout/")
    assert not signed_in(client) and not signed_in(stolen)


def test_another_site_sends_no_form() -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(LOGIN, {"login": "anna", "password": PASSWORD}).status_code == 403


class TestWords:
    """What was typed before the proof stands in the form afterwards, and nowhere else."""

    def lead(self, client: Client) -> User:
        lead = with_role(User.objects.create_user("lead", password=PASSWORD), roles.DBA_LEAD)
        User.objects.create_user("dora")
        prove(client, lead, at=clock.now() - timedelta(seconds=301))
        return lead

    def test_they_come_back_once(self, client: Client) -> None:
        lead = self.lead(client)
        typed = {"person": "dora", "role": roles.SENIOR_DBA, "password": "never keep this"}
        asked = client.post("/people/role/", typed, headers={"referer": "http://testserver/people/role/"})
        assert asked["location"].startswith(CONFIRM)
        assert "never keep this" not in str(dict(client.session))
        back = client.post(asked["location"], {"password": PASSWORD})
        form = client.get(back["location"]).context["form"]
        assert (form["person"].value(), form["role"].value()) == ("dora", roles.SENIOR_DBA)
        assert not lead.groups.filter(name=roles.SENIOR_DBA).exists(), "nothing was done by itself"
        client.post("/people/role/", typed)
        form = client.get("/people/role/").context["form"]
        assert form["person"].value() is None, "sent and forgotten"

    def test_no_other_form_has_them_and_not_for_long(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.lead(client)
        client.post("/profile/", {"profile": "sandbox"}, headers={"referer": "http://testserver/profile/"})
        assert client.get("/profile/").context["form"]["profile"].value() == "sandbox"
        later = clock.now() + timedelta(minutes=16)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert client.get("/profile/").context["form"]["profile"].value() is None

    def test_of_a_policy_every_row(self, client: Client) -> None:
        self.lead(client)
        page = "/restores/policy/"
        form = client.get(f"{page}?propose=1").context["form"]
        typed = {field.html_name: field.value() for field in form if field.value() not in (None, [])}
        typed |= {"reason": "Two leads are away.", "databases_roles": [roles.DBA, roles.DBA_LEAD]}
        asked = client.post(page, typed, headers={"referer": f"http://testserver{page}?propose=1"})
        assert asked["location"].startswith(CONFIRM) and asked["location"].endswith("propose%3D1")
        form = client.get(f"{page}?propose=1").context["form"]
        assert form["reason"].value() == "Two leads are away."
        assert form["databases_roles"].value() == [roles.DBA, roles.DBA_LEAD]
