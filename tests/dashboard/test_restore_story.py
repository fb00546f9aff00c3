"""*Someone ran DELETE without WHERE on orders in production*: from the timeline to the rows, and back again.

Two people with a browser each, a real server, real workers and a real log stream.
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
from tests.dashboard.browser import sign_in
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


def test_the_rows_are_back_and_nothing_written_since_is_lost(
    site: str, scene: Scene, new_page: NewPage, workers: Cluster
) -> None:
    dba(scene, "anna"), dba(scene, "ben")
    instant = accident(scene)
    assert count(scene) == 2
    anna, ben = new_page(), new_page()

    sign_in(anna, site, "anna", seed.PASSWORD)
    anna.goto(f"{site}/instances/{scene.instance.name}/recovery/?at={instant}")
    expect(anna.locator("#answer")).to_contain_text("Recovers to")
    anna.get_by_role("link", name="Restore this instant").click()
    anna.get_by_label("How much").select_option("table")
    anna.get_by_role("button", name="Save and go on").click()
    anna.get_by_label("Onto").select_option(scene.instance.name)
    anna.get_by_role("textbox", name="Databases").fill(SHOP)
    anna.get_by_role("textbox", name="Tables").fill("public.orders")
    anna.get_by_role("combobox", name="How").select_option("merge")
    anna.get_by_role("button", name="Save and look at the plan").click()
    plan = anna.url
    anna.get_by_role("button", name="Compare the tables").click()
    expect(anna.get_by_text("succeeded").first).to_be_attached(timeout=LONG)
    anna.goto(plan)
    expect(anna.get_by_role("heading", name="500 missing")).to_be_visible()
    expect(anna.get_by_role("row").filter(has_text="amount: 4711")).to_be_visible()
    anna.get_by_role("link", name="Go on to ticket and confirmation").click()
    anna.get_by_label("Reason").fill("Somebody ran DELETE without WHERE.")
    anna.get_by_label("Change ticket").fill("INC-1403")
    anna.get_by_label("Type the name").fill("shpo")
    anna.get_by_role("button", name="Freeze the plan").click()
    expect(anna.get_by_text("Expected the name shop to be typed")).to_be_visible()
    anna.get_by_label("Type the name").fill(SHOP)
    anna.get_by_role("button", name="Freeze the plan").click()
    expect(anna.get_by_role("heading", name="It waits for DBA.")).to_be_visible()
    expect(anna.get_by_role("button", name="Approve the plan")).to_have_count(0)

    sign_in(ben, site, "ben", seed.PASSWORD)
    ben.goto(f"{site}/restores/approvals/")
    ben.get_by_role("table").get_by_role("link").first.click()
    ben.get_by_role("button", name="Approve the plan").click()
    expect(ben.get_by_role("heading", name="It may be started.")).to_be_visible()

    anna.reload()
    anna.get_by_role("button", name="Start the restore").click()
    expect(anna.get_by_role("heading", name="Restored.")).to_be_visible(timeout=LONG)
    assert count(scene) == 502
    assert count(scene, "SELECT count(*) FROM orders WHERE amount > 4700") == 2
    with scene.server.connect(SHOP) as connection:
        connection.execute("INSERT INTO orders (customer, amount) VALUES (9, 1)")

    anna.get_by_label("Why it is rolled back").fill("Only to see that it works.")
    anna.get_by_role("button", name="Roll it back").click()
    expect(anna.get_by_text("being rolled back")).to_be_visible()
    deadline = time.monotonic() + 120
    while anna.get_by_role("heading", name="Rolled back.").count() == 0:
        assert time.monotonic() < deadline
        anna.wait_for_timeout(1000)
        anna.reload()
    assert count(scene) == 3
