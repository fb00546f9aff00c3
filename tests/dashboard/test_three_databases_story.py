"""*Three databases are corrupt*: two people sign one plan from their own browsers, the databases go one
after another, the second one does not serve and takes itself back, and the run stops and says everything.

The one who asks has no mouse; one of those who sign has JavaScript off, and looks at the backup first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from catalog import roles
from catalog.services.instance_access import instance_access_grant
from dataprotect.core import clock
from restores.models import RestoreRequest
from tests.dashboard import seed
from tests.dashboard.browser import Keyboard, sign_in
from tests.ops.conftest import Cluster
from tests.restores import scene as scenes
from tests.restores.scene import LEDGER, SHOP, STOCK, Scene
from tests.servers.postgresql import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]
NewPage = Callable[..., Page]
LONG = 240_000
NAMES = (SHOP, LEDGER, STOCK)


class Application(BaseHTTPRequestHandler):
    """The shop's pages work; those of the ledger do not, whatever its database holds."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/ledger" else 200)
        self.end_headers()
        self.wfile.write(b"ready")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def application() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def scene(site: str, postgres15: PostgresServer, tmp_path: Path) -> Iterator[Scene]:
    scenes.fresh(postgres15, *NAMES)
    yield scenes.protect(postgres15, tmp_path / "cellar")
    scenes.drop_clones()
    scenes.fresh(postgres15)


def amounts(scene: Scene) -> dict[str, int]:
    found = {}
    for name in NAMES:
        with scene.server.connect(name) as connection:
            row = connection.execute("SELECT sum(amount) FROM orders").fetchone()
        assert row is not None
        found[name] = int(row[0])
    return found


def corrupt(scene: Scene) -> None:
    for name in NAMES:
        with scene.server.connect(name) as connection:
            connection.execute("UPDATE orders SET amount = 1")


def set_up(page: Page, hands: Keyboard, site: str, application: str) -> None:
    """Where the application answers, and what it is asked after each restore."""
    page.goto(f"{site}/instances/orders-db/restoring/")
    hands.press("link", "Edit")
    hands.fill("Addresses for smoke tests", f"{application}/")
    hands.press("button", "Save")
    expect(page.get_by_text("are set up so from now on")).to_be_visible()
    for name in (SHOP, LEDGER):
        hands.press("link", "Add a smoke test")
        hands.fill("Name", f"{name} answers")
        hands.choose("Kind", "HTTP address")
        hands.fill("Database", name)
        hands.fill("Question", f"{application}/{name}")
        hands.fill("Expected", "ready")
        hands.press("button", "Add it")
        expect(page.get_by_role("row", name=re.compile(f"^{name} answers"))).to_be_visible()


def try_it_out(page: Page, site: str, scene: Scene) -> None:
    """A test restore without JavaScript: forms, links, and a page that loads itself anew."""
    page.goto(f"{site}/restores/new/?instance=orders-db")
    page.get_by_label("Or one backup").fill(scene.backup.backup_id)
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_text("Nothing: a clone touches no server.")).to_be_visible()
    page.get_by_role("link", name="Go on to ticket and confirmation").click()
    page.get_by_label("Reason").fill("Is this backup the right one?")
    page.get_by_role("button", name="Freeze the plan and submit it").click()
    page.get_by_role("button", name="Start the restore").click()
    expect(page.get_by_text("You can close this page. The work")).to_be_visible()
    expect(page.get_by_role("heading", name="Restored.")).to_be_visible(timeout=LONG)


def ask(page: Page, hands: Keyboard, site: str, scene: Scene) -> str:
    """The wizard to its end; the address of the restore."""
    page.goto(f"{site}/instances/orders-db/")
    hands.press("link", "ask for a restore")
    hands.fill("Or one backup", scene.backup.backup_id)
    hands.choose("How much", "Multi-database")
    hands.press("button", "Save and go on")
    hands.choose("Onto", "orders-db")
    hands.fill("Databases", "\n".join(NAMES))
    hands.press("button", "Save and look at the plan")
    expect(page.get_by_text("Senior DBA and Engineering Manager")).to_be_visible()
    hands.press("link", "Go on to ticket and confirmation")
    hands.fill("Reason", "The import wrote nonsense into all three.")
    hands.fill("Change ticket", "INC-77")
    hands.fill("Type the name", "orders-db")
    hands.press("button", "Freeze the plan and submit it")
    expect(page.get_by_role("alert")).to_contain_text("Downtime from is needed.")
    hands.fill_instant("Downtime from", clock.now() - timedelta(days=1))
    hands.fill_instant("Downtime until", clock.now() + timedelta(days=1))
    hands.fill("Type the name", "orders-db")
    hands.press("button", "Freeze the plan and submit it")
    expect(
        page.get_by_role("heading", name="It waits for Senior DBA and Engineering Manager.")
    ).to_be_visible()
    return page.url


def sign(page: Page, site: str, role: str) -> str:
    """From the inbox; the hash of what was signed."""
    page.goto(f"{site}/restores/approvals/")
    page.get_by_role("table").get_by_role("link").first.click()
    shown = page.locator(".hash").first.inner_text()
    expect(page.get_by_role("heading", name=f"Sign as {role}")).to_be_visible()
    page.get_by_role("button", name="Approve the plan").click()
    expect(page.get_by_role("button", name="Approve the plan")).to_have_count(0)
    return shown


def test_the_second_database_takes_itself_back_and_the_third_is_not_touched(
    site: str, scene: Scene, new_page: NewPage, workers: Cluster, application: str
) -> None:
    anna = seed.person("anna", roles.DBA)
    instance_access_grant(
        actor=scenes.ACTOR, instance=scene.instance, holder=anna,
        permissions=["view_instance", "restore_instance", "change_instance"],
    )  # fmt: skip
    seed.person("selma", roles.SENIOR_DBA), seed.person("emil", roles.ENGINEERING_MANAGER)
    before = amounts(scene)[SHOP]
    corrupt(scene)

    asker = new_page(viewport={"width": 1280, "height": 800})
    hands = Keyboard(asker)
    hands.sign_in(site, "anna", seed.PASSWORD)
    set_up(asker, hands, site, application)
    address = ask(asker, hands, site, scene)

    senior, manager = new_page(java_script_enabled=False), new_page()
    sign_in(senior, site, "selma", seed.PASSWORD)
    try_it_out(senior, site, scene)
    sign_in(manager, site, "emil", seed.PASSWORD)
    signed = {sign(senior, site, "Senior DBA")}
    expect(senior.get_by_role("heading", name="It waits for Engineering Manager.")).to_be_visible()
    signed.add(sign(manager, site, "Engineering Manager"))
    assert signed == {RestoreRequest.objects.get(scope="databases").plan_hash}

    asked: list[str] = []
    asker.on("request", lambda sent: asked.append(sent.url) if "/progress/" in sent.url else None)
    asker.goto(address)
    hands.press("button", "Start the restore")
    expect(asker.get_by_text("You can close this page. The work")).to_be_visible()
    steps = asker.get_by_role("region", name="Steps of the run")
    hands.go_to(steps)
    expect(asker.get_by_role("heading", name="Stopped.")).to_be_visible(timeout=LONG)
    expect(steps, "what is new moves no focus").to_be_focused()
    outcome = asker.get_by_label("How it stands")
    expect(outcome).to_contain_text("ledger does not serve")
    expect(outcome).to_contain_text("shop is the restored one and can be rolled back until")
    expect(outcome).to_contain_text("ledger was rolled back and is as it was before")
    expect(outcome).to_contain_text("stock was not touched")
    expect(asker.get_by_role("row", name=re.compile("^Load stock"))).to_contain_text("Pending")
    assert amounts(scene) == {SHOP: before, LEDGER: 500, STOCK: 500}

    so_far = len(asked)
    asker.wait_for_timeout(3000)
    assert len(asked) == so_far > 0, "the page asks no more once it has ended"
    manager.goto(address)
    expect(manager.get_by_role("heading", name="Stopped.")).to_be_visible()
    expect(manager.get_by_role("button", name="Roll it back")).to_have_count(0)
