"""What holds for every page: methods, CSRF, headers, nothing inline, house-style refusals."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dataprotect.ops.models import Job
from tests.dashboard import addresses
from tests.dashboard.conftest import ClientOf

pytestmark = pytest.mark.usefixtures("catalogue", "db")


def test_actions_answer_only_to_post(client_of: ClientOf):
    lead, before = client_of("DBA Lead"), Job.objects.count()
    for name, address in addresses.actions().items():
        for method in (lead.get, lead.put, lead.delete, lead.head):
            assert method(address).status_code == 405, name
    assert Job.objects.count() == before


def test_pages_do_not_answer_to_post(client_of: ClientOf):
    lead = client_of("DBA Lead")
    for name, address in (addresses.details() | addresses.audit_detail()).items():
        assert lead.post(address).status_code == 405, name


def test_without_the_token_nothing_happens():
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="dba-lead"))
    before = Job.objects.count()
    targets = addresses.actions() | addresses.forms() | {"preferences": "/preferences/"}
    for name, address in targets.items():
        answer = client.post(address, {"level": "checksum", "reason": "x"})
        assert answer.status_code == 403, name
        assert "too old to be trusted" in answer.content.decode(), name
    assert Job.objects.count() == before


def everything() -> dict[str, str]:
    found = addresses.lists() | addresses.details() | addresses.audit_detail() | addresses.forms()
    return found | {"missing": "/instances/nothing/", "filtered": "/backups/?q=zzz"}


def test_nothing_is_inline_and_the_policy_says_so(client_of: ClientOf):
    lead = client_of("DBA Lead")
    for name, address in everything().items():
        answer = lead.get(address)
        policy, page = answer.headers["Content-Security-Policy"], answer.content.decode()
        assert "default-src 'self'" in policy and "unsafe" not in policy, name
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", page), name
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page)), name
        assert "<script" not in re.sub(r"<script[^>]*src=[^>]*></script>", "", page), name


def test_every_page_has_one_main_one_h1_a_title_and_a_way_past_the_navigation(client_of: ClientOf):
    lead = client_of("DBA Lead")
    for name, address in everything().items():
        if name in ("job_progress", "restore_progress", "restore_json"):
            continue
        page = lead.get(address).content.decode()
        assert len(re.findall(r"<main[ >]", page)) == len(re.findall(r"<h1[ >]", page)) == 1, name
        assert 'href="#content"' in page and 'id="content"' in page, name
        assert re.search(r"<title>[^<]{3,} · DataProtect</title>", page), name


def test_every_address_a_page_offers_exists(client_of: ClientOf):
    """Follows each link of our own once; none leads into nothing."""
    lead, seen = client_of("DBA Lead"), set()
    for name, address in everything().items():
        page = lead.get(address).content.decode()
        for link in set(re.findall(r'<a [^>]*href="(/[^"#]*)', page)) - seen:
            seen.add(link)
            if len(seen) < 250:
                assert lead.get(link.replace("&amp;", "&"), follow=True).status_code == 200, (name, link)


def test_refusals_are_in_house_style(client_of: ClientOf):
    missing = client_of("auditor").get("/backups/never-was/")
    assert missing.status_code == 404 and "Nothing is here" in missing.content.decode()
    refused = client_of("auditor").get("/add/instance/")
    assert refused.status_code == 403 and "Your rights do not include this" in refused.content.decode()


def test_a_broken_page_says_so_and_shows_nothing_of_it(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch):
    def broken(**kwargs: object) -> None:
        raise RuntimeError("the planted secret")

    monkeypatch.setattr("catalog.views.overview.overview", broken)
    client = client_of("auditor")
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "our mistake" in answer.content.decode() and "planted secret" not in answer.content.decode()


def test_the_way_back_after_a_refusal_stays_in_the_house(client_of: ClientOf):
    lead = client_of("DBA Lead")
    address = addresses.actions()["instance_backup"]
    home = lead.post(address, headers={"referer": "https://elsewhere.example/trap"})
    assert home.headers["location"] == "/"
    back = lead.post(address, headers={"referer": "http://testserver/instances/orders/"})
    assert back.headers["location"] == "http://testserver/instances/orders/"
    page = lead.get("/instances/orders/").content.decode()
    assert "must end first" in page
