"""A signed-in client per role, on a catalog that is written once per module and rolled back after it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from catalog.models import Instance
from tests.dashboard import seed, story
from tests.dashboard.browser import launch
from tests.dashboard.waiting_restore import at_restore, dba, orders
from tests.ops.conftest import Cluster
from tests.people import prove

__all__ = ["at_restore", "dba", "orders"]
ClientOf = Callable[[str], Client]


@pytest.fixture(autouse=True)
def plain_http(settings: object) -> None:
    """Tests talk http on loopback; what TLS adds is tested with the settings."""
    settings.SECURE_SSL_REDIRECT = False  # type: ignore[attr-defined]
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def catalogue(django_db_setup: None, django_db_blocker: object) -> Iterator[dict[str, Instance]]:
    """The instances of `story.fill`, by name; one person per role exists."""
    with django_db_blocker.unblock(), transaction.atomic():  # type: ignore[attr-defined]
        seed.one_person_per_role()
        yield story.fill()
        transaction.set_rollback(True)


@pytest.fixture
def client_of(db: None) -> ClientOf:
    """`client_of("auditor")`: signed in just now as the person of that role."""

    def make(role: str) -> Client:
        return prove(Client(), User.objects.get(username=role.lower().replace(" ", "-")))

    return make


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One per run. Playwright keeps an event loop in this thread, which Django would take for async code."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


def is_problem(said: ConsoleMessage) -> bool:
    """An answer of 400 or 404 is an error to the console, and what a test of mistakes wants."""
    return said.type == "error" and "Failed to load resource" not in said.text


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`new_page(java_script_enabled=False)`: a page of its own; any console error fails the test."""
    problems: list[str] = []
    contexts = []

    def make(**options: Any) -> Page:
        context = chromium.new_context(**options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if is_problem(said) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def workers(tmp_path: Path, transactional_db: None) -> Iterator[Cluster]:
    """A real `qcluster` on the test database."""
    connection.close()
    cluster = Cluster(tmp_path / "qcluster.log")
    yield cluster
    cluster.kill()


@pytest.fixture
def site(plain_http: None, transactional_db: None) -> Iterator[str]:
    """The address of a real web server on the test database. Its own, because it speaks plain http."""
    importlib.import_module("catalog.migrations.0002_roles_and_tiers").create(apps, None)
    server = LiveServer("localhost")
    yield server.url
    server.stop()
