"""Step-up: who proved who they are just now, who did not, and who never can."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.step_up import fresh_at, is_fresh, require_fresh
from dataprotect.ops.views.page import action, page, stepped_up
from tests.people import prove

pytestmark = pytest.mark.django_db
Make = Callable[..., HttpRequest]


@pytest.fixture
def user() -> User:
    return User.objects.create_user("anna", password="a long passphrase for tests")


@pytest.fixture
def asking(user: User, rf: RequestFactory) -> Make:
    """A request of anna's session; `proved` is how many seconds ago she gave her password, None: never."""

    def make(method: str = "get", proved: float | None = 0, who: Any = user, **headers: str) -> HttpRequest:
        client = Client()
        if proved is None:
            client.force_login(user)
        else:
            prove(client, user, at=clock.now() - timedelta(seconds=proved))
        request: HttpRequest = getattr(rf, method)("/danger/?x=1", headers=headers)
        request.user, request.session = who, client.session
        request._messages = CookieStorage(request)  # type: ignore[attr-defined]
        return request

    return make


@pytest.mark.parametrize(
    ("proved", "fresh"), [(0, True), (299, True), (301, False), (None, False), (-60, False)]
)
def test_five_minutes(proved: float | None, fresh: bool, asking: Make) -> None:
    assert is_fresh(fresh_at(asking(proved=proved))) is fresh


def test_the_setting(asking: Make, settings: Any) -> None:
    settings.STEP_UP_SECONDS = 60
    assert not is_fresh(fresh_at(asking(proved=61)))
    with pytest.raises(ForeseenError, match="60 seconds") as refused:
        require_fresh(fresh_at=None)
    assert refused.value.code == "access.step_up"


def test_a_token_is_never_fresh_whatever_session_it_comes_with(asking: Make) -> None:
    assert fresh_at(asking()) is not None
    assert fresh_at(asking(authorization="Bearer dp_something")) is None


def test_the_proof_of_another_person_does_not_count(asking: Make) -> None:
    assert fresh_at(asking(who=User.objects.create_user("bert"))) is None
    assert fresh_at(asking(who=AnonymousUser())) is None


def test_a_stale_post_is_sent_to_prove_and_never_done(asking: Make) -> None:
    done: list[str] = []

    @action
    @stepped_up
    def danger(request: HttpRequest) -> HttpResponse:
        done.append("danger")
        return HttpResponse()

    request = asking("post", proved=None, referer="http://testserver/confirm/7/")
    answer = danger(request)
    assert answer.status_code == 302
    assert answer["location"].endswith("?next=http%3A%2F%2Ftestserver%2Fconfirm%2F7%2F")
    assert not done and "account_reauthentication_state" not in request.session
    assert danger(asking("post")).status_code == 200 and done == ["danger"]


def test_a_page_asks_before_anything_is_typed(asking: Make) -> None:
    @page
    @stepped_up
    def confirm(request: HttpRequest) -> HttpResponse:
        return HttpResponse("the form")

    assert confirm(asking(proved=301))["location"].endswith("?next=%2Fdanger%2F%3Fx%3D1")
    assert confirm(asking()).content == b"the form"


def test_a_refusal_of_the_service_leads_there_too(asking: Make) -> None:
    @action
    def danger(request: HttpRequest) -> HttpResponse:
        require_fresh(fresh_at=fresh_at(request))
        return HttpResponse()

    assert danger(asking("post", proved=301)).status_code == 302
