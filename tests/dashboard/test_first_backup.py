"""From nothing to a restore-tested backup of a real PostgreSQL, in a browser, with real workers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from catalog.models import Backup, Instance
from dataprotect.ops.models import Job
from tests.dashboard import seed
from tests.dashboard.browser import Keyboard, sign_in
from tests.ops.conftest import Cluster
from tests.servers.postgresql import PostgresServer

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
LONG = 240_000
NewPage = Callable[..., Page]


@pytest.fixture
def place() -> str:
    """Where the repository goes: a folder below the home of this test run."""
    folder = Path(settings.DATAPROTECT_HOME) / "cellar"
    return str(folder)


@pytest.fixture
def server(postgres15: PostgresServer) -> PostgresServer:
    with postgres15.connect() as db:
        db.execute("CREATE TABLE IF NOT EXISTS shelf AS SELECT g AS id FROM generate_series(1, 500) g")
        db.execute('DROP DATABASE IF EXISTS "odd; name"')
        db.execute('CREATE DATABASE "odd; name"')
    return postgres15


def test_by_keyboard_alone(
    site: str, new_page: NewPage, workers: Cluster, server: PostgresServer, place: str
):
    seed.person("lead", "DBA Lead")
    page = new_page(viewport={"width": 1280, "height": 800})
    hands = Keyboard(page)
    page.goto(f"{site}/login/")
    hands.fill("Username", "lead")
    hands.fill("Password", seed.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is protected yet.")

    hands.press("link", "Add repository")
    hands.fill("Name", "cellar")
    hands.fill("Place", place)
    page.keyboard.press("Enter")
    expect(page.get_by_text("is ready to take backups")).to_be_visible()

    page.goto(site)
    hands.press("link", "Add instance")
    hands.fill("Name", "orders")
    hands.fill("Host", "127.0.0.1")
    hands.fill("Port", str(server.port))
    hands.fill("User", "postgres")
    hands.fill("Password", server.password)
    hands.press("button", "Add and test the connection")
    expect(page.get_by_role("heading", name=re.compile("Connected to PostgreSQL"))).to_be_visible(
        timeout=LONG
    )
    expect(page.get_by_text("Not encrypted")).to_be_visible()

    hands.press("button", "Take the first backup")
    expect(page.get_by_text("You can close this page")).to_be_visible()
    expect(page.get_by_role("heading", name="Back up orders succeeded.")).to_be_visible(timeout=LONG)
    hands.press("link", "Open the backup")
    expect(page.get_by_role("heading", name=re.compile("^Checked:"))).to_be_visible()

    hands.press("button", "Restore test")
    expect(page.get_by_role("heading", name=re.compile("^Restore test of .* succeeded"))).to_be_visible(
        timeout=LONG
    )
    hands.press("link", "Open the backup")
    expect(page.get_by_role("heading", name=re.compile("^Restore-tested:"))).to_be_visible()

    page.goto(site)
    expect(page.get_by_role("heading", level=1)).to_contain_text("can be restored within the agreed targets")
    row = page.get_by_role("row", name=re.compile("^orders"))
    expect(row).to_contain_text("Protected")
    expect(row).not_to_contain_text("not measured")
    page.goto(f"{site}/instances/orders/")
    expect(page.get_by_text("odd; name")).to_be_visible()
    expect(page.get_by_text("unusual name")).to_be_visible()
    assert Instance.objects.get().rto_evidence is not None
    assert server.password not in page.content()


def test_with_java_script_off(
    site: str, new_page: NewPage, workers: Cluster, server: PostgresServer, place: str
):
    """Forms and links only; pages that wait reload themselves."""
    seed.person("lead", "DBA Lead")
    page = new_page(java_script_enabled=False)
    sign_in(page, site, "lead", seed.PASSWORD)
    page.get_by_role("link", name="Add repository").click()
    page.get_by_label("Name").fill("cellar-plain")
    page.get_by_label("Place").fill(f"{place}-plain")
    page.get_by_role("button", name="Add repository").click()
    page.goto(f"{site}/add/instance/")
    for label, text in {
        "Name": "orders",
        "Host": "127.0.0.1",
        "Port": str(server.port),
        "User": "postgres",
    }.items():
        page.get_by_label(label, exact=True).fill(text)
    page.locator("#id_password").fill("not the password")
    page.get_by_role("button", name="Add and test").click()
    expect(page.get_by_role("link", name="Correct the connection")).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Correct the connection").click()
    page.locator("#id_password").fill(server.password)
    page.get_by_role("button", name="Save and test").click()
    page.get_by_role("button", name="Take the first backup").click(timeout=LONG)
    expect(page.get_by_text("Back up orders succeeded.")).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Open the backup").click()
    expect(page.get_by_text("Checked:")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert Backup.objects.get().state == "checked"


def test_a_running_job_is_followed_and_cancelled(site: str, new_page: NewPage):
    """It asks every two seconds, keeps the focus, speaks once per phase, and stops asking at the end."""
    lead = seed.person("lead", "DBA Lead")
    now = seed.clock.now()
    job = seed.job(
        None,
        now,
        "running",
        actor="lead",
        title="Back up orders",
        phase="read files",
        bytes_done=10 << 20,
        bytes_total=100 << 20,
        rate=5.0 * (1 << 20),
        eta_seconds=90.0,
    )
    asked: list[str] = []
    page = new_page()
    page.on("request", lambda request: asked.append(request.url) if "/progress/" in request.url else None)
    sign_in(page, site, lead.username, seed.PASSWORD)
    page.goto(f"{site}/jobs/{job.pk}/")
    expect(page.get_by_text("10 % of this phase")).to_be_visible()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    Job.objects.filter(pk=job.pk).update(phase="seal", bytes_done=90 << 20)
    expect(page.get_by_text("90 % of this phase")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Running: Seal")
    expect(cancel).to_be_focused()
    cancel.press("Enter")
    expect(page.get_by_text("lead asked to cancel")).to_be_visible()
    Job.objects.filter(pk=job.pk).update(
        state="cancelled", finished_at=now, error_message="It was cancelled."
    )
    expect(page.get_by_role("heading", name="It was cancelled.")).to_be_visible()
    count = len(asked)
    page.wait_for_timeout(3000)
    assert len(asked) == count > 0
