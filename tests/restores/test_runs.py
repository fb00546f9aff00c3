"""Runs on a real server, from the draft to their end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog import roles
from dataprotect.core import clock, steps
from dataprotect.core.errors import InvalidInput
from dataprotect.ops import queue
from restores.models import RollbackPoint
from restores.selectors.run_progress import progress_of
from restores.selectors.validated import validated
from restores.services.request_draft import restore_draft, restore_edit, wish_of
from restores.services.request_submit import restore_submit
from restores.services.rollback_run import rollback_start
from restores.services.table_compare import chosen_rows, compare_start, comparison_of
from tests.restores.scene import SHOP, Scene
from tests.restores.test_killed_runs import AFTER, BEFORE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_rows_that_were_deleted_come_back_and_can_be_taken_back(scene: Scene) -> None:
    scene.rows("DELETE FROM orders WHERE id <= 400 RETURNING id")
    scene.rows("INSERT INTO orders (customer, amount) VALUES (7, 4711) RETURNING id")
    row, run, job = scene.run("table", SHOP, tables=[("public", "orders")], table_mode="merge")
    assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
    assert scene.rows("SELECT count(*), max(amount) FROM orders") == [(501, 4711)]
    assert "RTO" in run.message and run.rto_seconds is not None
    [point] = RollbackPoint.objects.all()
    assert point.state == "ready"
    with queue.foreground():
        back = rollback_start(
            actor=scene.people["anna"], request=row, reason="It was meant so", fresh_at=clock.now()
        )
    assert queue.run_now(back).state == "succeeded"
    row.refresh_from_db(), point.refresh_from_db()
    assert (row.state, point.state) == ("rolled_back", "used")
    assert point.measured_seconds is not None and point.measured_seconds < 600
    assert scene.rows("SELECT count(*) FROM orders") == [(101,)]


def test_a_database_is_replaced_and_put_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    monkeypatch.setattr(steps, "hook", seen.add)
    scene.rows("UPDATE orders SET amount = 0 RETURNING id")
    row, run, job = scene.run("database", SHOP)
    assert "A guess" in row.plan["rollback"]["because"]
    assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
    assert scene.rows("SELECT sum(amount) FROM orders") == [(sum(range(1, 501)),)]
    assert list(run.steps.values_list("kind", "state").order_by("position"))[-1] == ("deliver", "done")
    ours = {name for name in seen if name.startswith(("restore.", "replace."))}
    assert ours <= {*BEFORE, *AFTER}, "workers are killed at every step"
    with queue.foreground():
        back = rollback_start(
            actor=scene.people["anna"], request=row, reason="The wrong day", fresh_at=clock.now()
        )
    assert queue.run_now(back).state == "succeeded"
    assert scene.rows("SELECT sum(amount) FROM orders") == [(0,)]
    told = {step["kind"]: step for step in progress_of(row)["steps"]}
    for kind in ("clone", "clone_check", "load", "validate", "base_backup"):
        assert told[kind]["bytes_done"] > 0 and told[kind]["bytes_per_second"] > 0, kind
    checked = validated(steps=run.steps.all(), points=run.rollback_points.all())
    assert "550 rows in 2 tables counted." in [proof.sentence for proof in checked]
    assert checked[-1].title == "After rolling shop back" and "checks passed." in checked[-1].sentence
    following = scene.submitted("database", SHOP)
    scene.started(scene.sign(following))
    waits = progress_of(following)
    assert waits["seconds_left"]["measurements"] == 1, "every step was measured by the first run"
    assert 0 < waits["seconds_left"]["low"] <= waits["seconds_left"]["high"]
    way_back = following.plan["rollback"]
    assert "Measured: the slowest of 1 on orders-db" in way_back["because"]
    assert way_back["expected_seconds"] == round(RollbackPoint.objects.get().measured_seconds, 1)


def test_a_test_restore_touches_no_server(scene: Scene) -> None:
    row, run, job = scene.run("test", target_instance=None)
    assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
    assert run.clone is not None and run.clone.state == "ready"


def test_only_the_rows_that_were_marked_are_put_back(scene: Scene) -> None:
    scene.rows("DELETE FROM orders WHERE id <= 3 RETURNING id")
    scene.rows("UPDATE orders SET amount = -1 WHERE id BETWEEN 4 AND 6 RETURNING id")
    anna = scene.person("anna", roles.DBA)
    wish = scene.wish("table", SHOP, tables=[("public", "orders")], table_mode="merge")
    row = restore_draft(actor=anna, instance=scene.instance, wish=wish)
    with queue.foreground():
        job = queue.run_now(compare_start(actor=anna, request=row))
    assert job.state == "succeeded" and job.result["public.orders missing"] == 3
    row.refresh_from_db()
    assert "amount" not in row.comparison_sealed, "rows are sealed"
    [compared] = comparison_of(row)
    kinds = [each["kind"] for each in compared["rows"]]
    places = [f"0:{kinds.index('missing')}", f"0:{kinds.index('changed')}"]
    for wrong in (["0:99"], ["x"], []):
        with pytest.raises(InvalidInput):
            chosen_rows(row, wrong)
    wish = replace(wish_of(row), table_mode="rows", options={"rows": chosen_rows(row, places)})
    row = restore_edit(actor=anna, request=row, wish=wish)
    assert comparison_of(row), "the same clone and table: what was compared still holds"
    row = scene.sign(restore_submit(actor=anna, request=row, typed_target=SHOP))
    assert queue.run_now(scene.started(row)).state == "succeeded"
    assert scene.rows("SELECT count(*) FROM orders WHERE id <= 3") == [(1,)]
    assert scene.rows("SELECT count(*) FROM orders WHERE amount = -1") == [(2,)]
    row.refresh_from_db()
    assert row.state == "completed" and row.comparison_sealed == ""
