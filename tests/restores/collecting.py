"""A running log collector on the database of this test run, and how far it has come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.models import LogCollector
from dataprotect.engine.databases.postgresql import lsn
from tests.catalog.collecting import QUICK
from tests.ops.conftest import ROOT, wait_for, worker_environment
from tests.restores.scene import Scene


@contextmanager
def collector(out: Path) -> Iterator[None]:
    """`manage.py collect_logs`, killed afterwards."""
    environment = worker_environment(DJANGO_SETTINGS_MODULE="dataprotect.settings", **QUICK)
    with out.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "collect_logs"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(timeout=30)


def all_is_stored(scene: Scene) -> None:
    """Wait until what the server has written by now is shipped, on the timeline it is on."""
    [(timeline, written)] = scene.rows(
        "SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int, "
        "pg_current_wal_insert_lsn()::text"
    )

    def stored() -> bool:
        row = LogCollector.objects.get(instance=scene.instance)
        shipped = lsn.parse(row.shipped_position) if row.shipped_position else 0
        return row.timeline == timeline and shipped >= lsn.parse(written)

    wait_for(stored, f"the log until {written} of timeline {timeline} is stored")
