"""Two schedulers at once, as processes of their own: nothing is due twice, no limit is exceeded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer

_TICKS = """
import time
from catalog.services.schedule_run import schedule_run
while time.time() < {until}:
    time.sleep(0.002)
for _ in range(3):
    schedule_run()
"""
_FILL = """
from catalog.models import *
from dataprotect.core import clock
repository = Repository.objects.create(
    name="local", url="/srv/nowhere", repository_id="0" * 32, state="ready", max_concurrent=3)
tier = Tier.objects.get(name="critical")
policy = Policy.objects.get(name="critical")
for number in range(8):
    Instance.objects.create(name=f"i{number}", identifier=f"i{number}", host="127.0.0.1", user="u",
        tier=tier, repository=repository, policy=policy)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, home: Path, migrated_database: Path) -> Iterator[Installation]:
    """A migrated installation whose catalog several processes use."""
    if request.param == "sqlite":
        shutil.copy(migrated_database, home / "db.sqlite3")
        yield Installation(home)
        return
    server: PostgresServer = request.getfixturevalue("postgres15")
    with server.connect() as session:
        session.execute("CREATE DATABASE schedulers")
    url = f"postgresql://postgres:{server.password}@127.0.0.1:{server.port}/schedulers"
    installation = Installation(home, DATABASE_URL=url)
    try:
        installation.migrate()
        yield installation
    finally:
        with server.connect() as session:
            session.execute("DROP DATABASE schedulers WITH (FORCE)")


@pytest.mark.slow
def test_nothing_starts_twice_and_the_limit_holds(shared: Installation) -> None:
    assert shared.run("shell", "-v", "0", "-c", _FILL).code == 0
    program = _TICKS.format(until=time.time() + 6)
    running = [shared.start("shell", "-v", "0", "-c", program) for _ in range(3)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    runs = shared.rows(
        "[[run.subject, run.kind, run.state] for run in ScheduledRun.objects.order_by('subject')]"
    )
    started = [run for run in runs if run[2] == "started"]
    assert [kind for _, kind, _ in runs] == ["full"] * 8, "one first backup each"
    assert len(started) == 3, "as many as the repository allows"
    jobs = shared.rows("list(Job.objects.filter(kind='run_backup').values_list('subject', flat=True))")
    assert sorted(jobs) == sorted(subject for subject, _, _ in started)
