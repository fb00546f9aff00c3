"""The API: the same refusals as everywhere, tokens that act as their owner, sessions with CSRF."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog import roles
from catalog.models import ApiToken, Instance
from catalog.services import token_create, token_revoke
from dataprotect.core import clock
from dataprotect.ops.models import Job

Person = Callable[..., User]
HOSTILE = (
    "'; DROP TABLE catalog_instance; --", "$(id)", "../../etc/passwd", "a\0b", "a\nb", "Ünïcode", "\ud800",
    "<script>alert(1)</script>", "a" * 5000, "", " ", "\u202egnp", "٣", "${7*7}", "|| ls",
)  # fmt: skip


@pytest.fixture(autouse=True)
def plain_http(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def call(person: Person) -> Callable[..., Any]:
    """`call("get", "/instances", by=user)` with a token of that user (a DBA Lead by default)."""
    tokens: dict[str, str] = {}

    def send(method: str, path: str, data: Any = None, by: User | None = None) -> Any:
        owner = by or User.objects.filter(username="lead").first() or person("lead", roles.DBA_LEAD)
        if owner.username not in tokens:
            _, tokens[owner.username] = token_create(actor=owner, owner=owner, name="test")
        return getattr(Client(), method)(
            f"/api/v1{path}", data=data, content_type="application/json",
            headers={"Authorization": f"Bearer {tokens[owner.username]}"},
        )  # fmt: skip

    return send


def body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "orders", "host": "127.0.0.1", "port": 5432, "user": "backup", "password": "geheim-geheim",
        "environment": "staging", "tier": "standard", "repository": "local", **changes,
    }  # fmt: skip


def test_an_instance_is_added_read_changed_and_its_password_never_comes_back(
    call: Callable[..., Any], make_instance: Callable[..., Instance]
) -> None:
    make_instance("first")
    made = call("post", "/instances", body())
    assert made.status_code == 201, made.content
    assert made.json()["has_password"] is True
    changed = call("patch", "/instances/orders", {"port": 5433})
    assert (changed.status_code, changed.json()["port"]) == (200, 5433)
    listed = call("get", "/instances").json()
    assert [item["name"] for item in listed["items"]] == ["first", "orders"]
    for answer in (made, changed, call("get", "/instances"), call("get", "/instances/orders")):
        assert b"geheim" not in answer.content and b"password_sealed" not in answer.content


def test_work_is_queued_and_followed(
    call: Callable[..., Any], make_instance: Callable[..., Instance]
) -> None:
    make_instance()
    job = call("post", "/instances/orders/backups", {"reader": "streamed"})
    assert (job.status_code, job.json()["state"]) == (202, "queued")
    key = job.json()["id"]
    assert Job.objects.get(pk=key).actor == "lead"
    seen = call("get", f"/jobs/{key}").json()
    assert (seen["id"], seen["log"], seen["error"]) == (key, [], None)
    assert call("post", f"/jobs/{key}/cancel").json()["state"] == "cancelled"
    assert call("post", f"/jobs/{key}/cancel").status_code == 409
    assert call("post", "/instances/orders/backups", {"type": "incremental"}).status_code == 202
    refused = call("post", "/instances/orders/backups", {"type": "partial"})
    assert refused.json()["error"]["code"] == "input.type"


FIELDS = (
    "name", "host", "user", "port", "environment", "tier", "repository", "database", "data_directory",
    "tls_mode", "tls_ca_file", "region", "engine",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_hostile_input_gets_a_sentence(
    field: str, call: Callable[..., Any], make_instance: Callable[..., Instance]
) -> None:
    make_instance("first")
    for value in HOSTILE:
        if value == "" and field in ("data_directory", "region", "tls_ca_file"):
            continue
        answer = call("post", "/instances", body(**{field: value}))
        assert answer.status_code in (400, 422), (field, value, answer.status_code, answer.content)
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "action"} and error["message"].endswith(".")
        assert len(error["message"]) < 600
    assert Instance.objects.count() == 1


def test_hostile_addresses_are_not_found(call: Callable[..., Any]) -> None:
    from urllib.parse import quote

    for value in HOSTILE:
        if not value.strip() or value == "\ud800":
            continue
        for place in ("instances", "backups", "jobs", "repositories", "verifications"):
            answer = call("get", f"/{place}/{quote(value, safe='')}")
            assert answer.status_code in (404, 422), (place, value, answer.status_code)
            if "/" not in value:  # those lead to other addresses, which are the pages' own
                assert "code" in answer.json()["error"]


def test_what_is_unknown_is_refused_and_values_are_not_repeated(call: Callable[..., Any]) -> None:
    answer = call("post", "/instances", {**body(), "pasword": "geheim-geheim"})
    assert answer.status_code == 422 and b"geheim" not in answer.content
    answer = call("post", "/instances", body(password=["geheim-geheim"]))
    assert answer.status_code == 422 and b"geheim" not in answer.content
    assert call("get", "/instances?limit=100000").status_code == 422
    assert call("get", "/nothing-here").status_code == 404


def test_tokens_end_are_revoked_and_are_never_stored(person: Person) -> None:
    owner = person("bob", roles.AUDITOR)
    row, text = token_create(actor=owner, owner=owner, name="ci")
    assert text not in str(vars(ApiToken.objects.get())) and text.startswith(row.prefix)

    def status(word: str) -> int:
        return Client().get("/api/v1/instances", headers={"Authorization": word}).status_code

    assert status(f"Bearer {text}") == 200
    assert status(f"Bearer {text}x") == 401
    assert status("Bearer ") == 401
    assert status(f"Basic {text}") == 401
    ApiToken.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert status(f"Bearer {text}") == 401
    ApiToken.objects.update(expires_at=None)
    assert status(f"Bearer {text}") == 200
    token_revoke(actor=owner, token=row)
    assert status(f"Bearer {text}") == 401
    owner.is_active = False
    owner.save()


def test_a_token_acts_as_its_owner(call: Callable[..., Any], person: Person, make_instance: Any) -> None:
    make_instance()
    auditor = person("eve", roles.AUDITOR)
    assert call("get", "/instances/orders", by=auditor).status_code == 200
    assert call("post", "/instances/orders/backups", {}, by=auditor).status_code == 403
    stranger = person("sam")
    assert call("get", "/instances/orders", by=stranger).status_code == 404
    assert call("get", "/instances", by=stranger).json() == {"items": [], "count": 0}


def test_sessions_need_the_csrf_token(person: Person, make_instance: Any) -> None:
    make_instance()
    client = Client(enforce_csrf_checks=True)
    assert client.get("/api/v1/instances").status_code == 401
    client.force_login(person("lead", roles.DBA_LEAD))
    assert client.get("/api/v1/instances").status_code == 200
    sent = client.post("/api/v1/instances/orders/probe", content_type="application/json")
    assert (sent.status_code, sent.json()["error"]["code"]) == (403, "access.csrf")
    assert Job.objects.count() == 0
