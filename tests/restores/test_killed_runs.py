"""kill -9 of the worker at every step: what is in use is the old database or the validated new one, whole and
open, and never unsaid; another worker goes on, or the clock says how it was left.
"""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import Tier
from dataprotect.core import clock
from dataprotect.ops import lease, sweeper
from dataprotect.ops.models import Job
from restores.models import RestoreRequest, RestoreRun, RollbackPoint
from restores.services.request_plan import fresh_backup_needed
from restores.services.request_start import restore_start
from restores.services.restore_account import restore_settings_set
from restores.services.rollback_run import rollback_start
from restores.services.run_settle import runs_settle
from restores.services.smoke_test import smoke_test_add
from tests.ops.conftest import wait_for
from tests.restores.conftest import Worker
from tests.restores.scene import ACTOR, SHOP, Scene

pytestmark = [
    pytest.mark.django_db(transaction=True), pytest.mark.timeout(600), pytest.mark.slow,
]  # fmt: skip
WHOLE, OLD = sum(range(1, 501)), 0
BEFORE = [
    "job.claimed", "backup.begun", "backup.before_row", "restore.fresh_backup.recorded",
    "restore.copied", "restore.clone.recorded", "restore.clone_check.recorded",
    "replace.before_load", "replace.dumped", "replace.staged_created", "replace.restored", "replace.analyzed",
    "replace.staged_complete", "restore.load.recorded", "restore.validate.recorded", "replace.before_swap",
    "replace.old_aside", "replace.before_commit",
]  # fmt: skip
AFTER = [
    "replace.swapped", "restore.swap.recorded", "restore.watch.recorded", "backup.copied",
    "backup.before_row", "restore.base_backup.recorded", "restore.logs.recorded",
    "restore.drop_clone.recorded", "restore.deliver.recorded",
]  # fmt: skip


@pytest.fixture
def damaged(scene: Scene) -> Scene:
    scene.rows("UPDATE orders SET amount = 0 RETURNING id")
    return scene


def queued(scene: Scene, attempts: int, scope: str = "database", **more: Any) -> tuple[RestoreRequest, Job]:
    row = scene.sign(scene.submitted(scope, SHOP, **more))
    job = restore_start(actor=scene.people["anna"], request=row, fresh_at=clock.now())
    Job.objects.filter(pk=job.pk).update(max_attempts=attempts)
    return row, job


def total(scene: Scene) -> int:
    """By a client that comes anew."""
    return int(scene.rows("SELECT sum(amount) FROM orders")[0][0])


def test_each_worker_dies_one_step_further(damaged: Scene, worker: Worker) -> None:
    Tier.objects.update(rpo_seconds=1)  # so that a fresh backup is a step of it
    damaged.instance.tier.refresh_from_db()
    wait_for(lambda: fresh_backup_needed(damaged.instance, clock.now()), "the backup is a second old")
    row, job = queued(damaged, 100)
    for wanted, fatal in ((OLD, BEFORE), (WHOLE, AFTER)):
        for step in fatal:
            assert worker(job, step) == "killed", f"{step}: {Job.objects.get(pk=job.pk).error_message}"
            assert total(damaged) == wanted, step
            row.refresh_from_db()
            assert row.state in ("running", "validating", "watching"), step
    assert worker(job) == "ended"
    row.refresh_from_db()
    run = RestoreRun.objects.get(request=row)
    assert (row.state, total(damaged)) == ("completed", WHOLE), row.ended_reason
    assert "RTO" in run.message
    assert set(run.steps.values_list("state", flat=True)) <= {"done", "skipped"}
    assert RollbackPoint.objects.get().state == "ready"
    assert [name.partition("__")[2][:6] for name in damaged.beside()] == ["before"]
    taken_back_by_hand(damaged, row, worker)


def taken_back_by_hand(scene: Scene, row: RestoreRequest, worker: Worker) -> None:
    """Its workers die too. The last one may not even be tried again: the clock sees what became of it."""
    for attempts, fatal in (
        (100, [("rollback.begun", WHOLE), ("replace.before_commit", WHOLE)]),
        (1, [("replace.swapped", OLD)]),
    ):
        job = rollback_start(actor=scene.people["anna"], request=row, reason="A test", fresh_at=clock.now())
        Job.objects.filter(pk=job.pk).update(max_attempts=attempts)
        for step, wanted in fatal:
            assert worker(job, step) == "killed", step
            assert total(scene) == wanted
        assert runs_settle() == 0, "another worker may still take it"
        Job.objects.filter(pk=job.pk).update(max_attempts=1)
        lease.release_dead()
        assert (sweeper.end_abandoned(), runs_settle(), runs_settle()) == (1, 1, 0)
        row.refresh_from_db()
        point = RollbackPoint.objects.get()
        rolled = total(scene) == OLD
        assert (row.state, point.state) == (("rolled_back", "used") if rolled else ("completed", "failed"))


def test_workers_die_while_they_take_it_back(damaged: Scene, worker: Worker) -> None:
    """The one that follows goes on taking back; it never calls the old database the restored one."""
    restore_settings_set(actor=ACTOR, instance=damaged.instance, http_prefixes=["127.0.0.1:1"])
    smoke_test_add(
        actor=ACTOR, instance=damaged.instance, name="closed", kind="http", database=SHOP,
        question="http://127.0.0.1:1/", expected="",
    )  # fmt: skip
    row, job = queued(damaged, 100)
    for step, wanted in (
        ("restore.ending", WHOLE),
        ("rollback.begun", WHOLE),
        ("replace.before_swap", WHOLE),
        ("replace.before_commit", WHOLE),
        ("replace.swapped", OLD),
        ("rollback.put_back", OLD),
        ("restore.taken_back", OLD),
    ):
        assert worker(job, step) == "killed", f"{step}: {Job.objects.get(pk=job.pk).error_message}"
        assert total(damaged) == wanted, step
    assert worker(job) == "ended"
    row.refresh_from_db(), job.refresh_from_db()
    assert (row.state, job.error_code) == ("rolled_back", "restore.unhealthy")
    point = RollbackPoint.objects.get()
    assert (point.state, point.automatic) == ("used", True)
    assert "shop was rolled back and is as it was before" in row.ended_reason


def test_workers_of_a_table_rescue_die(scene: Scene, worker: Worker) -> None:
    scene.rows("DELETE FROM orders WHERE id <= 400 RETURNING id")
    row, job = queued(scene, 100, "table", tables=[("public", "orders")], table_mode="merge")
    for step, there in (
        ("table_rescue.before_commit", 100),
        ("table_rescue.after_commit", 500),
        ("restore.rescue.recorded", 500),
    ):
        assert worker(job, step) == "killed", step
        assert scene.rows("SELECT count(*) FROM orders") == [(there,)], step
    assert worker(job) == "ended"
    row.refresh_from_db()
    assert (row.state, RollbackPoint.objects.get().state) == ("completed", "ready"), row.ended_reason
    assert scene.rows("SELECT count(*) FROM orders") == [(500,)]


@pytest.mark.parametrize(
    "step, wanted, point, words",
    [
        ("replace.before_commit", OLD, "gone", "shop was not touched"),
        ("replace.swapped", WHOLE, "ready", "shop is the restored one and can be rolled back until"),
    ],
)
def test_the_last_worker_died_and_the_clock_says_how_it_was_left(
    damaged: Scene, worker: Worker, step: str, wanted: int, point: str, words: str
) -> None:
    row, job = queued(damaged, 1)
    assert worker(job, step) == "killed"
    lease.release_dead()
    assert (sweeper.end_abandoned(), runs_settle(), runs_settle()) == (1, 1, 0)
    row.refresh_from_db()
    assert (row.state, total(damaged)) == ("failed", wanted)
    assert words in row.ended_reason and "died" in row.ended_reason
    assert RollbackPoint.objects.get().state == point
