"""What makes a run undo itself, each made to happen on a real server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from dataprotect.core import clock, steps
from dataprotect.ops.models import Alert, AuditEvent
from restores.models import RestoreStep, RollbackPoint
from restores.services import run_watch, run_work
from restores.services.restore_account import restore_settings_set
from restores.services.smoke_test import smoke_test_add
from tests.restores.scene import ACTOR, LEDGER, SHOP, Scene

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
WHOLE, OLD = sum(range(1, 501)), 0
At = Callable[[str, Callable[[], object]], None]


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watch, "_LOOK_EVERY", 0.05)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """`at("restore.swap.recorded", act)`: what happens once, when that step was reached."""
    waiting: dict[str, Callable[[], object]] = {}

    def hook(name: str) -> None:
        if act := waiting.pop(name, None):
            act()

    monkeypatch.setattr(steps, "hook", hook)
    return waiting.__setitem__


@pytest.fixture
def damaged(scene: Scene) -> Scene:
    """Everything is worth nothing since the backup."""
    for name in (SHOP, LEDGER):
        scene.rows("UPDATE orders SET amount = 0 RETURNING id", name)
    return scene


def total(scene: Scene, name: str = SHOP) -> int:
    return int(scene.rows("SELECT sum(amount) FROM orders", name)[0][0])


@contextmanager
def page(status: int) -> Iterator[str]:
    """An application's health page that answers so; its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}/health"
        served.shutdown()


def test_the_second_database_is_unhealthy_and_the_first_one_stays(damaged: Scene) -> None:
    with page(500) as sick, page(200) as well:
        restore_settings_set(actor=ACTOR, instance=damaged.instance, http_prefixes=[sick, well])
        for name, address in ((SHOP, well), (LEDGER, sick)):
            smoke_test_add(
                actor=ACTOR,
                instance=damaged.instance,
                name=name,
                kind="http",
                database=name,
                question=address,
            )
        row, run, job = damaged.run("databases", SHOP, LEDGER)
    assert (row.state, job.error_code) == ("stopped", "restore.unhealthy"), job.error_message
    assert (total(damaged, SHOP), total(damaged, LEDGER)) == (WHOLE, OLD)
    points = {point.database: point for point in RollbackPoint.objects.all()}
    assert (points[SHOP].state, points[LEDGER].state) == ("ready", "used")
    assert points[LEDGER].automatic and points[LEDGER].measured_seconds is not None
    assert "status 500" in row.ended_reason
    assert "shop is the restored one and can be rolled back until" in row.ended_reason
    assert "ledger was rolled back and is as it was before" in row.ended_reason
    assert Alert.objects.get(rule="restore_failed").detail == row.ended_reason
    assert {step.kind for step in run.steps.filter(state="pending")} == {
        "base_backup", "logs", "drop_clone", "deliver",
    }  # fmt: skip
    assert run.clone is not None and run.clone.state == "dropped"
    verbs = AuditEvent.objects.filter(verb__startswith="rollback.").values_list("verb", flat=True)
    assert list(verbs.order_by("sequence")) == [
        "rollback.ready", "rollback.ready", "rollback.rolling_back", "rollback.used",
    ]  # fmt: skip


def test_missing_rows_roll_it_back(damaged: Scene, at: At) -> None:
    at("restore.swap.recorded", lambda: damaged.rows("DELETE FROM orders WHERE id <= 5 RETURNING id"))
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.error_code) == ("rolled_back", "restore.rows_missing")
    assert "0.909 % of the rows of shop are missing" in row.ended_reason  # 5 of 550
    assert (total(damaged), damaged.rows("SELECT count(*) FROM orders")) == (OLD, [(500,)])


def test_low_disk_rolls_it_back_and_makes_room(damaged: Scene, at: At) -> None:
    """Every disk has less than all of it free."""
    at(
        "restore.swap.recorded",
        lambda: restore_settings_set(actor=ACTOR, instance=damaged.instance, free_limit_percent=100),
    )
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.error_code) == ("rolled_back", "restore.disk_low")
    assert total(damaged) == OLD
    assert damaged.beside() == set(), "the restored copy takes no room any more"
    assert RollbackPoint.objects.get().state == "gone"
    assert "shop was rolled back" in row.ended_reason


def too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever looks whether the run takes too long it is an hour later: the estimate is some seconds."""
    later = SimpleNamespace(now=lambda: clock.now() + timedelta(hours=1), iso=clock.iso)
    monkeypatch.setattr(run_work, "clock", later)


def test_a_run_that_takes_too_long_is_rolled_back(
    damaged: Scene, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("restore.swap.recorded", lambda: too_late(monkeypatch))
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.error_code) == ("rolled_back", "restore.too_long")
    assert total(damaged) == OLD


def test_a_run_that_takes_too_long_before_the_swap_touches_nothing(
    damaged: Scene, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("replace.restored", lambda: too_late(monkeypatch))
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.error_code) == ("failed", "restore.too_long")
    assert "shop was not touched" in row.ended_reason
    assert (total(damaged), damaged.beside()) == (OLD, set())


def test_after_the_watch_no_clock_undoes_it(damaged: Scene, at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow base backup is no reason to take back what serves."""
    at("restore.watch.recorded", lambda: too_late(monkeypatch))
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
    assert total(damaged) == WHOLE


def test_a_rescue_that_breaks_the_application_is_undone(scene: Scene) -> None:
    scene.rows("DELETE FROM orders WHERE id <= 400 RETURNING id")
    smoke_test_add(
        actor=ACTOR, instance=scene.instance, name="few", database=SHOP, expected="t",
        question="SELECT count(*) < 200 FROM orders",
    )  # fmt: skip
    row, _, job = scene.run("table", SHOP, tables=[("public", "orders")], table_mode="merge")
    assert (row.state, job.error_code) == ("rolled_back", "restore.unhealthy"), job.error_message
    assert scene.rows("SELECT count(*) FROM orders") == [(100,)]
    assert RollbackPoint.objects.get().automatic


def test_something_unforeseen_after_the_swap_is_taken_back(damaged: Scene, at: At) -> None:
    def burst() -> None:
        raise RuntimeError("a defect of ours")

    at("restore.swap.recorded", burst)
    row, run, job = damaged.run("database", SHOP)
    assert (row.state, job.state) == ("rolled_back", "errored")
    assert "unforeseen (RuntimeError)" in row.ended_reason and total(damaged) == OLD
    assert RestoreStep.objects.get(run=run, state="failed").kind == "swap"
