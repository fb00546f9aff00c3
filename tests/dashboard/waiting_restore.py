"""A restore that waits for signatures, and people at its page, each in a browser of their own.

Nothing runs: the rows are written straight into the tables. What people do to them they do on the page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from catalog import roles
from catalog.models import Instance
from catalog.services.instance_access import instance_access_grant
from dataprotect.core import clock
from restores.models import RestoreRequest
from tests.dashboard import seed
from tests.dashboard.browser import give_session
from tests.dashboard.seed_restores import request
from tests.people import session_of

NewPage = Callable[..., Page]
Dba = Callable[[str], User]
AtRestore = Callable[..., Page]
RESTORE = "r00000001"


@pytest.fixture
def orders(site: str) -> Instance:
    """Nobody listens at its address."""
    place = seed.repository()
    made = seed.instance("orders", place, host="127.0.0.1", port=1, tls_mode="prefer", tls_ca_file="")
    seed.backup(made, clock.now() - timedelta(hours=1))
    seed.databases(made, clock.now(), names=["shop", "ledger"])
    return made


@pytest.fixture
def dba(orders: Instance) -> Dba:
    """May restore `orders`."""

    def make(name: str) -> User:
        user = seed.person(name, roles.DBA)
        instance_access_grant(
            actor="system:test", instance=orders, holder=user,
            permissions=["view_instance", "restore_instance"],
        )  # fmt: skip
        return user

    return make


@pytest.fixture
def at_restore(site: str, new_page: NewPage) -> AtRestore:
    """`at_restore(anna)`: her browser on the page of the restore, signed in just now or `at` an instant."""

    def open_it(user: User, **proof: object) -> Page:
        page = new_page()
        give_session(page.context, site, session_of(user, **proof))
        page.goto(f"{site}/restores/{RESTORE}/")
        return page

    return open_it


def waiting(of: Instance, asker: User, *signed_as: str, **more: object) -> RestoreRequest:
    """Everything that starting asks for is there, but for the signatures."""
    now = clock.now()
    return request(
        RESTORE, of, now, roles=signed_as or (roles.DBA,), requested_by=asker,
        requested_by_name=asker.username, typed_target="shop", window_start=now - timedelta(hours=1),
        window_end=now + timedelta(hours=8), **more,
    )  # fmt: skip


SEND = """([address, fields]) => {
  const form = document.createElement('form');
  fields.csrfmiddlewaretoken = document.querySelector('[name=csrfmiddlewaretoken]').value;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement('input');
    Object.assign(field, {type: 'hidden', name, value});
    form.append(field);
  }
  Object.assign(form, {method: 'post', action: address});
  document.body.append(form);
  form.submit();
}"""


def send(page: Page, what: str, **fields: str) -> None:
    """The form the page does not offer, from the page."""
    with page.expect_navigation():
        page.evaluate(SEND, [f"/restores/{RESTORE}/{what}/", fields])


def told(page: Page, words: str) -> None:
    expect(page.get_by_role("alert")).to_contain_text(words)


def stands(page: Page, words: str) -> None:
    """As the page says after it was loaded anew."""
    page.reload()
    expect(page.get_by_role("heading", name=words)).to_be_visible()


def offers(page: Page, *names: str) -> None:
    """Of what is decided about a restore, exactly these buttons."""
    known = ("Approve the plan", "Deny it", "Start the restore", "Act without the signatures", "Cancel")
    found = [name for name in known if page.get_by_role("button", name=name).count()]
    assert set(found) == set(names), found
