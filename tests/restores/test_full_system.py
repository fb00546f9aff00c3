"""A whole server is restored in place by a run, taken back by people, put right when the run ends early."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.models import Heartbeat, LogCollector, LogGap, LogStretch
from catalog.selectors.recovery import recovery_timeline
from catalog.services.backup_start import TASK
from catalog.services.log_streaming_set import log_streaming_set
from catalog.services.opening import repository_open
from dataprotect.core import clock, steps
from dataprotect.core.errors import Cancelled
from dataprotect.engine import choice_record
from dataprotect.engine.timeline_model import Target
from dataprotect.ops import queue
from dataprotect.ops.models import Job
from dataprotect.ops.services.stop import stop_lift, stop_raise
from dataprotect.storage.logs import LogReader
from restores.models import RestoreRequest, RollbackPoint
from restores.services.clone import clone_start
from restores.services.request_start import restore_start
from restores.services.rollback_expire import rollback_points_expire
from restores.services.rollback_run import rollback_start
from restores.services.run_settle import runs_settle
from restores.services.smoke_test import smoke_test_add
from tests.ops.conftest import wait_for
from tests.restores import scene as scenes
from tests.restores.collecting import all_is_stored, collector
from tests.restores.conftest import Worker
from tests.restores.scene import ACTOR, LEDGER, SHOP, Scene, done
from tests.servers.postgresql import PostgresServer, unprivileged_user

pytestmark = [
    pytest.mark.django_db(transaction=True), pytest.mark.timeout(600), pytest.mark.slow,
]  # fmt: skip
WHOLE = sum(range(1, 501))
BEFORE = [
    "restore.clone_check.recorded", "full_system.restoring", "restore.copied", "full_system.restored",
    "restore.restore_files.recorded", "full_system.before_stop",
]  # fmt: skip
BETWEEN = [
    "full_system.stopped", "restore.stop_server.recorded", "full_system.planned", "full_system.moved.1",
    "full_system.moved.2", "restore.exchange.recorded", "full_system.before_start",
]  # fmt: skip
AFTER = ["restore.start_server.recorded", "restore.system_check.recorded", "restore.watch.recorded"]


@pytest.fixture(scope="module")
def machine(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[PostgresServer]:
    """A server of its own: its data directory is exchanged."""
    server = PostgresServer(postgres_binaries(15), workdir / "machine").create().start()
    yield server
    server.stop()
    shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def control(machine: PostgresServer, settings: Any) -> list[str]:
    """How its hooks begin, allowed by the operator."""
    user = unprivileged_user()
    words = [*(["runuser", "-u", user, "--"] if user else []), str(machine.bin / "pg_ctl"), "-w"]
    words += ["-D", str(machine.data)]
    settings.RESTORE_HOOKS = [words]
    return words


@pytest.fixture
def whole(machine: PostgresServer, control: list[str], tmp_path: Path) -> Iterator[Scene]:
    scenes.fresh(machine, SHOP, LEDGER)
    yield scenes.protect(
        machine, tmp_path / "cellar", stop_command=[*control, "-m", "fast", "stop"],
        start_command=[*control, "-l", str(machine.folder / "server.log"), "start"],
    )  # fmt: skip
    for left in machine.folder.glob("data__*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def beside(scene: Scene) -> set[str]:
    return {each.name.split("__")[1].split("_")[0] for each in scene.server.folder.glob("data__*")}


def test_a_server_is_restored_and_taken_back_while_its_log_is_collected(whole: Scene, tmp_path: Path) -> None:
    """To a point in the past, so that its log goes back too, on a new timeline and without any slot."""
    asked = Job.objects.filter(task=TASK, actor="system:collector")
    log_streaming_set(actor=ACTOR, instance=whole.instance, wanted=True)
    with collector(tmp_path / "collector.out"):
        wait_for(lambda: LogCollector.objects.filter(state="streaming").exists(), "it streams")
        target = an_instant(whole)
        whole.rows("UPDATE orders SET amount = 0 RETURNING id")
        all_is_stored(whole)
        old = stored(whole)
        row, run, job = whole.run("system", backup=None, recovery_target=target)
        assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
        assert total(whole) == WHOLE
        assert "verified by" in run.message and run.rto_parts["swap"] > 0

        evidence = run.steps.get(kind="logs").evidence
        base = run.steps.get(kind="base_backup").evidence
        way = choice_record.of_plain(run.steps.get(kind="restore_files").evidence["choice"])
        assert way.target == target and way.line.timeline == 1, "and so for whoever takes over"
        assert (evidence["timeline"], evidence["base"]) == (2, base["backup_id"]), evidence
        assert base["type"] == "full" and evidence["segment"].startswith("00000002")
        assert [active for (active,) in whole.rows("SELECT active FROM pg_replication_slots")] == [True]
        assert old == {name: what for name, what in stored(whole).items() if name in old}
        assert [stretch.timeline for stretch in LogStretch.objects.all()] == [1, 2]
        assert len({stretch.lineage for stretch in LogStretch.objects.all()}) == 1
        assert not LogGap.objects.exists(), "nothing is lost: the old timeline is stored to its end"
        assert cloned_customers(whole, "since the restore") == 1, "the new base and the new log bring it back"
        found = recovery_timeline(instance=whole.instance).found
        assert {(each.timeline, each.abandoned) for each in found.windows} == {(2, False), (1, True)}
        assert found.choose_base(target).base.backup_id == whole.backup.backup_id

        point = RollbackPoint.objects.get()
        assert (point.kind, point.state) == ("kept_directory", "ready")
        back = taken_back(whole, row)
        assert back.state == "succeeded", back.error_message
        row.refresh_from_db(), point.refresh_from_db()
        assert (row.state, point.state) == ("rolled_back", "used")
        assert point.measured_seconds is not None and point.measured_seconds < 600
        assert total(whole) == 0
        assert beside(whole) == {"restore"}
        assert (whole.server.data / "pg_wal/00000002.history").exists(), "2 is never used twice"

        all_is_stored(whole)
        kept = {name: what for name, what in stored(whole).items() if name in old}
        assert old == kept, "the old server's log goes on under a name of its own"
        gap = LogGap.objects.get()
        assert (gap.code, gap.timeline) == ("logs.server_went_back", 2)
        assert gap.from_position == gap.to_position, "a break, and no log is lost"
        followed = [each for each in recovery_timeline(instance=whole.instance).windows if not each.abandoned]
        assert [each.timeline for each in followed] == [1], "what was taken back is not the latest"
        wait_for(asked.exists, "the collector asks for a new base; after the restore it did not")
        done(asked.get())
        assert cloned_customers(whole, "since the rollback") == 1


def test_what_does_not_serve_is_taken_back_by_itself(whole: Scene) -> None:
    smoke_test_add(
        actor=ACTOR, instance=whole.instance, name="orders", kind="sql", database=SHOP,
        question="SELECT count(*) FROM orders", expected="7",
    )  # fmt: skip
    whole.rows("DELETE FROM orders WHERE id > 7 RETURNING id")
    row, _, job = whole.run("system")
    assert (row.state, job.state) == ("rolled_back", "failed"), row.ended_reason
    assert whole.rows("SELECT count(*) FROM orders") == [(7,)]
    assert "orders" in row.ended_reason and "Its server runs." in row.ended_reason


@pytest.mark.parametrize(
    ("step", "left"),
    [("full_system.stopped", "was not touched"), ("full_system.moved.1", "in place again")],
)
def test_a_server_is_never_left_down(
    whole: Scene, step: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled between stopping and starting: the old server runs again, whatever was exchanged."""
    fired = []

    def cancel(name: str) -> None:
        if name == step and not fired:
            fired.append(name)
            raise Cancelled()

    whole.rows("UPDATE orders SET amount = 0 RETURNING id")
    monkeypatch.setattr(steps, "hook", cancel)
    row, _, job = whole.run("system")
    assert fired and (row.state, job.state) == ("stopped", "cancelled"), job.error_message
    assert whole.rows("SELECT sum(amount) FROM orders") == [(0,)]
    assert left in row.ended_reason, row.ended_reason


def test_what_is_kept_goes_when_its_time_is_over(whole: Scene) -> None:
    _, _, job = whole.run("system")
    assert job.state == "succeeded", job.error_message
    assert beside(whole) == {"before", "restore"}  # the journal bears the name of the restored one
    RollbackPoint.objects.update(keep_until=clock.now())

    class Context:
        actor = "system"

        def hold(self) -> None: ...

        def note(self, message: str) -> None:
            raise AssertionError(message)

        def checkpoint(self) -> None: ...

    assert rollback_points_expire(Context()) == 1
    assert RollbackPoint.objects.get().state == "gone"
    assert beside(whole) == set()


def test_a_server_that_is_broken_and_down_is_restored(whole: Scene) -> None:
    """It cannot be backed up before, and does not answer: what full system restores are for."""
    type(whole.instance).objects.update(last_good_at=clock.now() - timedelta(days=2))
    whole.instance.refresh_from_db()
    whole.server.kill()
    (whole.server.data / "global/pg_control").unlink()
    row, run, job = whole.run("system")
    assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
    assert run.steps.get(kind="fresh_backup").state == "skipped"
    assert "kept instead" in run.steps.get(kind="fresh_backup").note
    assert total(whole) == WHOLE


def test_each_worker_dies_one_step_further(whole: Scene, worker: Worker) -> None:
    """kill -9: the data is the old or the restored, or nothing runs and the next worker finishes it."""
    whole.rows("UPDATE orders SET amount = 0 RETURNING id")
    row, job = queued(whole)
    for running, fatal in ((0, BEFORE), (None, BETWEEN), (WHOLE, AFTER)):
        for step in fatal:
            assert worker(job, step) == "killed", f"{step}: {Job.objects.get(pk=job.pk).error_message}"
            assert total(whole) == running, step
    assert worker(job) == "ended"
    row.refresh_from_db()
    assert (row.state, total(whole)) == ("completed", WHOLE), row.ended_reason
    assert RollbackPoint.objects.get().state == "ready"


def test_a_stop_after_a_death_halfway_is_said_and_taken_back(whole: Scene, worker: Worker) -> None:
    """No worker may go on while the stop is raised; who lifts it reads that the server is down."""
    whole.rows("UPDATE orders SET amount = 0 RETURNING id")
    row, job = queued(whole)
    assert worker(job, "full_system.moved.1") == "killed"
    stop_raise(actor=ACTOR, reason="A test")
    assert worker(job) == "ended"
    assert runs_settle() == 1
    row.refresh_from_db()
    assert row.state == "stopped"
    assert "Its server is down. It can be rolled back until" in row.ended_reason, row.ended_reason
    assert total(whole) is None
    stop_lift(actor="system", root_cause="A test")
    back = taken_back(whole, row)
    assert back.state == "succeeded", back.error_message
    assert total(whole) == 0


def an_instant(scene: Scene) -> Target:
    """Between two moments whose readings are stored, so that the log is known to hold it."""
    all_is_stored(scene)
    [(at,)] = scene.rows("SELECT clock_timestamp()")
    beats = Heartbeat.objects.filter(instance=scene.instance, at__gt=at + timedelta(seconds=2))
    wait_for(beats.exists, "the log is known beyond the instant")
    return Target("time", at=at)


def stored(scene: Scene) -> dict[str, str]:
    """The digest of everything stored of timeline 1, by its place in the repository."""
    reader = LogReader(repository_open(scene.instance.repository), scene.instance.identifier)
    found = (item for item in reader.objects() if item.kind != "history" and item.timeline == 1)
    return {item.name: reader.header(item).sha256 for item in found}


def cloned_customers(scene: Scene, name: str) -> int:
    """A customer comes; how many of that name a clone of the latest has."""
    scene.rows(f"INSERT INTO customer (name) VALUES ('{name}') RETURNING id")
    all_is_stored(scene)
    with queue.foreground():
        made = done(clone_start(actor=ACTOR, instance=scene.instance, target=Target("latest")))
    with psycopg.connect(f"{made['dsn']} dbname={SHOP}") as clone:
        found = clone.execute("SELECT count(*) FROM customer WHERE name = %s", [name]).fetchone()
    scenes.drop_clones()
    assert found is not None
    return int(found[0])


def taken_back(scene: Scene, row: RestoreRequest) -> Job:
    with queue.foreground():
        back = rollback_start(
            actor=scene.people["anna"], request=row, reason="The wrong day", fresh_at=clock.now()
        )
    return queue.run_now(back)


def queued(scene: Scene) -> tuple[RestoreRequest, Job]:
    row = scene.sign(scene.submitted("system"))
    job = restore_start(actor=scene.people["anna"], request=row, fresh_at=clock.now())
    Job.objects.filter(pk=job.pk).update(max_attempts=100)
    return row, job


def total(scene: Scene) -> int | None:
    """By a client that comes anew; None when no server runs."""
    try:
        return int(scene.rows("SELECT sum(amount) FROM orders")[0][0])
    except psycopg.OperationalError:
        return None
