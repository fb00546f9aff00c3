"""Ends that somebody asked for: at the next safe point, in words; and stops that restores raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from dataprotect.core import clock, steps
from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.ops import queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job, StopSwitch
from dataprotect.ops.services.jobs import job_cancel
from dataprotect.ops.services.stop import stop_lift
from restores import tasks
from restores.models import RollbackPoint
from restores.services import run_watch
from restores.services.restore_account import restore_settings_set
from restores.services.rollback_expire import points_expire_start
from restores.services.rollback_run import rollback_start
from restores.services.run_settle import runs_settle
from restores.services.smoke_test import smoke_test_add
from tests.ops.conftest import wait_for
from tests.restores.scene import ACTOR, SHOP, Scene

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
WHOLE, OLD = sum(range(1, 501)), 0


@pytest.fixture
def damaged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(run_watch, "_LOOK_EVERY", 0.05)
    scene.rows("UPDATE orders SET amount = 0 RETURNING id")
    return scene


@pytest.fixture
def stop_file() -> Iterator[Path]:
    place = Path(settings.EMERGENCY_STOP_FILE)
    yield place
    place.unlink(missing_ok=True)


def total(scene: Scene) -> int:
    return int(scene.rows("SELECT sum(amount) FROM orders")[0][0])


def on(monkeypatch: pytest.MonkeyPatch, step: str, act: Callable[[], object]) -> None:
    def hook(name: str) -> None:
        if name == step:
            act()

    monkeypatch.setattr(steps, "hook", hook)


@pytest.fixture
def cancel(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Cancels the running restore, and comes back when its worker has heard of it."""
    contexts: list[JobContext] = []
    real = tasks.restore_run

    def run(*, context: JobContext, request_pk: int) -> dict[str, Any]:
        contexts.append(context)
        return real(context=context, request_pk=request_pk)

    def heard() -> bool:
        try:
            contexts[0].checkpoint()
        except Cancelled:
            return True
        return False

    def ask() -> None:
        job_cancel(job_id=contexts[0].job_id, actor=scene.people["anna"])
        wait_for(heard, "the heart heard of the cancel")

    monkeypatch.setattr(tasks, "restore_run", run)
    return ask


@pytest.mark.parametrize(
    "step, wanted, words",
    [
        ("restore.load.recorded", OLD, "shop was not touched"),
        ("restore.swap.recorded", WHOLE, "shop is the restored one and can be rolled back until"),
    ],
)
def test_cancelled_at_a_safe_point(
    damaged: Scene, monkeypatch: pytest.MonkeyPatch, cancel: Callable[[], None], step: str, wanted: int,
    words: str,
) -> None:  # fmt: skip
    on(monkeypatch, step, cancel)
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.state, total(damaged)) == ("stopped", "cancelled", wanted)
    assert "cancelled by anna" in row.ended_reason and words in row.ended_reason
    assert all("__before_" in name for name in damaged.beside()), "what was loaded for nothing is gone"


def test_what_undoes_itself_is_not_cancelled_halfway(
    damaged: Scene, monkeypatch: pytest.MonkeyPatch, cancel: Callable[[], None]
) -> None:
    restore_settings_set(actor=ACTOR, instance=damaged.instance, http_prefixes=["127.0.0.1:1"])
    smoke_test_add(
        actor=ACTOR, instance=damaged.instance, name="closed", kind="http", database=SHOP,
        question="http://127.0.0.1:1/",
    )  # fmt: skip
    on(monkeypatch, "rollback.begun", cancel)
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.error_code, total(damaged)) == ("rolled_back", "restore.unhealthy", OLD)


def test_the_emergency_stop_touches_nothing_more_and_the_clock_tidies_up_later(
    damaged: Scene, monkeypatch: pytest.MonkeyPatch, stop_file: Path
) -> None:
    on(monkeypatch, "restore.validate.recorded", lambda: stop_file.write_text("Something is wrong"))
    row, _, job = damaged.run("database", SHOP)
    assert (row.state, job.error_code, total(damaged)) == ("stopped", "stop.active", OLD)
    assert "shop was not touched" in row.ended_reason
    assert len(damaged.beside()) == 1, "what was loaded stays where it is in an emergency"
    stop_file.unlink()
    stop_lift(actor=ACTOR, root_cause="A test")
    with queue.foreground():
        sweeping = points_expire_start()
    assert sweeping is not None and queue.run_now(sweeping).result == {"gone": 1}
    assert damaged.beside() == set()
    assert points_expire_start() is None


def test_stopped_before_a_worker_took_it(damaged: Scene, stop_file: Path) -> None:
    row = damaged.sign(damaged.submitted("database", SHOP))
    job = damaged.started(row)
    stop_file.write_text("Something is wrong")
    assert queue.run_now(job).error_code == "stop.active"
    assert runs_settle() == 1
    row.refresh_from_db()
    assert row.state == "stopped" and "shop was not touched" in row.ended_reason


def test_what_was_kept_goes_after_its_deadline(damaged: Scene) -> None:
    row, _, _ = damaged.run("database", SHOP)
    assert row.state == "completed"
    [kept] = damaged.beside()
    assert points_expire_start() is None, "its time is not over"
    RollbackPoint.objects.update(keep_until=clock.now() - timedelta(seconds=1))
    with queue.foreground():
        sweeping = points_expire_start()
    assert sweeping is not None and queue.run_now(sweeping).result == {"gone": 1}
    assert (damaged.beside(), RollbackPoint.objects.get().state) == (set(), "gone"), kept
    with pytest.raises(ForeseenError) as refused:
        rollback_start(actor=damaged.people["anna"], request=row, reason="Too late", fresh_at=clock.now())
    assert refused.value.code == "rollback.nothing"
    assert total(damaged) == WHOLE


def test_rolling_back_what_is_not_there_any_more_is_not_called_a_rollback(damaged: Scene) -> None:
    """Somebody renamed the old copy: what is in use is left alone and the point says that it failed."""
    row, _, _ = damaged.run("database", SHOP)
    [kept] = damaged.beside()
    with damaged.server.connect() as connection:
        connection.execute(f'ALTER DATABASE "{kept}" RENAME TO shop__elsewhere')
    with queue.foreground():
        job = rollback_start(actor=damaged.people["anna"], request=row, reason="A test", fresh_at=clock.now())
    assert queue.run_now(job).state == "failed"
    row.refresh_from_db()
    assert (row.state, RollbackPoint.objects.get().state, total(damaged)) == ("completed", "failed", WHOLE)


def test_three_invalid_restores_in_a_row_raise_the_stop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_watch, "_LOOK_EVERY", 0.05)
    smoke_test_add(
        actor=ACTOR, instance=scene.instance, name="never", database=SHOP, question="SELECT 1", expected="2"
    )
    for number in range(3):
        assert not StopSwitch.objects.filter(active=True).exists(), number
        row, _, _ = scene.run("table", SHOP, tables=[("public", "orders")], table_mode="merge")
        assert row.state in ("rolled_back", "failed"), row.ended_reason
    assert "3 restores failed their validation" in StopSwitch.objects.get(active=True).reason
    with pytest.raises(ForeseenError) as refused:
        scene.run("table", SHOP, tables=[("public", "orders")], table_mode="merge")
    assert refused.value.code == "stop.active"


def test_a_damaged_chain_raises_the_stop(scene: Scene, tmp_path: Path) -> None:
    row = scene.sign(scene.submitted("database", SHOP))
    packs = sorted((tmp_path / "cellar").rglob("*"), key=lambda file: file.stat().st_size)
    data = packs[-1].read_bytes()
    packs[-1].write_bytes(
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    )
    job = queue.run_now(scene.started(row))
    row.refresh_from_db()
    assert (row.state, job.state) == ("failed", "failed")
    assert "shop was not touched" in row.ended_reason
    assert StopSwitch.objects.get(active=True).raised_by == "system", job.error_code
    assert Job.objects.filter(state="running").count() == 0
