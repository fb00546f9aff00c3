"""*Someone ran DELETE without WHERE on orders in production*: from the timeline to the rows, and back again.

People with a browser each, a real server, real workers and a real log stream. It is lived through twice: who
asks has JavaScript off or no mouse, who signs has no mouse or a mouse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog import roles
from catalog.selectors.recovery import recovery_facts
from catalog.services.instance_access import instance_access_grant
from catalog.services.log_streaming_set import log_streaming_set
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import Target
from tests.dashboard import seed
from tests.dashboard.browser import Hands, Keyboard, Mouse
from tests.ops.conftest import Cluster
from tests.restores import scene as scenes
from tests.restores.scene import LEDGER, SHOP, Scene
from tests.servers.postgresql import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]
NewPage = Callable[..., Page]
LONG = 120_000


@pytest.fixture
def scene(site: str, postgres15: PostgresServer, tmp_path: Path) -> Iterator[Scene]:
    scenes.fresh(postgres15, SHOP, LEDGER)
    made = scenes.protect(postgres15, tmp_path / "cellar")
    log_streaming_set(actor=scenes.ACTOR, instance=made.instance, wanted=True)
    collector = Cluster(
        tmp_path / "collector.log", "collect_logs", LOG_SLICE_SECONDS="1", LOG_HEARTBEAT_SECONDS="1"
    )
    yield made
    collector.kill()
    log_streaming_set(actor=scenes.ACTOR, instance=made.instance, wanted=False)
    scenes.fresh(postgres15)


def dba(scene: Scene, name: str) -> None:
    """With a password, and the right to restore this instance."""
    user = seed.person(name, roles.DBA)
    instance_access_grant(
        actor=scenes.ACTOR, instance=scene.instance, holder=user,
        permissions=["view_instance", "restore_instance"],
    )  # fmt: skip


def count(scene: Scene, query: str = "SELECT count(*) FROM orders") -> int:
    with scene.server.connect(SHOP) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def accident(scene: Scene) -> str:
    """The instant before it, once it can be restored."""
    time.sleep(1.5)
    with scene.server.connect(SHOP) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        time.sleep(1.5)
        connection.execute("DELETE FROM orders")
        connection.execute("INSERT INTO orders (customer, amount) VALUES (7, 4711), (8, 4712)")
    at = row[0].astimezone(UTC).replace(microsecond=0)
    deadline = time.monotonic() + 120
    while True:
        try:
            recovery_windows(recovery_facts(instance=scene.instance)).choose_base(Target("time", at=at))
            return at.strftime("%Y-%m-%dT%H:%M:%SZ")
        except ForeseenError as error:
            assert time.monotonic() < deadline, error.message
            time.sleep(0.5)


def ask(hands: Hands, scene: Scene, instant: str) -> str:
    """From the first page to the frozen plan, with a look at the rows on the way; the ID of the restore."""
    page = hands.page
    for link in ("Instances", scene.instance.name, "all windows and gaps"):
        hands.press("link", link)
    hands.fill("Instant or LSN", instant)
    hands.press("button", "Can it be restored?")
    expect(page.locator("#answer")).to_contain_text("Recovers to")
    hands.press("link", "Restore this instant")
    hands.choose("How much", "Tables of one database")
    hands.press("button", "Save and go on")
    hands.choose("Onto", scene.instance.name)
    hands.fill("Database", SHOP)
    hands.fill("Tables", "public.orders")
    hands.choose("How", "Merge missing rows")
    hands.press("button", "Save and look at the plan")
    hands.press("button", "Compare the tables")
    expect(page.get_by_role("link", name="Open the restore")).to_be_visible(timeout=LONG)
    hands.press("link", "Open the restore")
    hands.press("link", "Go on with the draft")
    expect(page.get_by_role("heading", name="500 missing")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="amount: 4711")).to_be_visible()
    hands.press("link", "Go on to ticket and confirmation")
    hands.fill("Reason", "Somebody ran DELETE without WHERE.")
    hands.fill("Type the name", "shpo")
    hands.press("button", "Freeze the plan")
    expect(page.get_by_text("Change ticket is needed.").first).to_be_visible()
    hands.fill("Change ticket", "INC-1403")
    hands.press("button", "Freeze the plan")
    expect(page.get_by_text("Expected the name shop to be typed")).to_be_visible()
    hands.fill("Type the name", SHOP)
    hands.press("button", "Freeze the plan")
    expect(page.get_by_role("heading", name="It waits for DBA.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve the plan")).to_have_count(0)
    return page.url.rstrip("/").rpartition("/")[2]


def sign(hands: Hands, restore_id: str) -> None:
    """From the inbox."""
    hands.press("link", "Approvals")
    hands.press("link", restore_id)
    hands.press("button", "Approve the plan")
    expect(hands.page.get_by_role("heading", name="It may be started.")).to_be_visible()


def start(hands: Hands) -> None:
    """The page was left open while others signed."""
    hands.page.reload()
    hands.press("button", "Start the restore")
    expect(hands.page.get_by_role("heading", name="Restored.")).to_be_visible(timeout=LONG)


def roll_back(hands: Hands) -> None:
    """The page follows it to its end, without being loaded anew by hand."""
    hands.fill("Why it is rolled back", "Only to see that it works.")
    hands.press("button", "Roll it back")
    ended = hands.page.get_by_role("heading", name="Rolled back.", exact=True)
    expect(ended).to_be_visible(timeout=LONG)
    expect(hands.page.get_by_role("button", name="Roll it back")).to_have_count(0)


def test_the_rows_are_back_and_nothing_written_since_is_lost(
    site: str, scene: Scene, new_page: NewPage, workers: Cluster
) -> None:
    dba(scene, "anna"), dba(scene, "ben"), dba(scene, "cleo")
    instant = accident(scene)
    assert count(scene) == 2
    anna = Mouse(new_page(java_script_enabled=False))
    ben = Keyboard(new_page(viewport={"width": 1280, "height": 800}))
    cleo = Mouse(new_page())
    for name, hands in (("anna", anna), ("ben", ben), ("cleo", cleo)):
        hands.sign_in(site, name, seed.PASSWORD)

    for asker, signer, written in ((anna, ben, 2), (ben, cleo, 3)):
        asker.page.goto(site)
        restore_id = ask(asker, scene, instant)
        sign(signer, restore_id)
        start(asker)
        assert count(scene) == 500 + written
        assert count(scene, "SELECT count(*) FROM orders WHERE amount > 4700 OR amount = -1") == written
        with scene.server.connect(SHOP) as connection:
            connection.execute("INSERT INTO orders (customer, amount) VALUES (9, -1)")
        roll_back(asker)
        assert count(scene) == written + 1
