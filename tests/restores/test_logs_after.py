"""After a restore the log is stored again, or the restore says that it is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.models import LogCollector, LogStretch
from catalog.services.log_streaming_set import log_streaming_set
from dataprotect.core import clock
from restores.services import run_logs
from tests.ops.conftest import wait_for
from tests.restores import scene as scenes
from tests.restores.collecting import collector
from tests.restores.scene import ACTOR, SHOP
from tests.servers.postgresql import PostgresServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_streaming_is_proved_after_a_restore(
    make_postgres: Callable[..., PostgresServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_postgres()
    scenes.fresh(server, SHOP)
    scene = scenes.protect(server, tmp_path / "cellar")
    log_streaming_set(actor=ACTOR, instance=scene.instance, wanted=True)
    monkeypatch.setattr(run_logs, "LONGEST", 1.0)
    told = LogStretch.objects.create(
        instance=scene.instance, repository=scene.instance.repository, lineage="a", timeline=1,
        system_identifier=scene.instance.system_identifier, start_position="0/0", end_position="FF/0",
        end_at=clock.now() + timedelta(hours=1),
    )  # fmt: skip
    row, _, job = scene.run("database", SHOP)
    assert (row.state, job.error_code) == ("failed", "restore.logs_not_stored"), job.error_message
    assert "shop is the restored one and can be rolled back until" in row.ended_reason, "a row is no proof"
    told.delete()
    monkeypatch.undo()
    with collector(tmp_path / "collector.out"):
        wait_for(
            lambda: LogCollector.objects.filter(state="streaming").exists(),
            "the collector streams",
        )
        row, run, job = scene.run("database", SHOP)
    assert (row.state, job.state) == ("completed", "succeeded"), job.error_message
    [logs] = run.steps.filter(kind="logs")
    assert logs.state == "done" and logs.started_at is not None
    assert logs.evidence["written_at"] > logs.started_at.isoformat()
