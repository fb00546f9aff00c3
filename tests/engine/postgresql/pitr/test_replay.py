"""Every kind of target on a real server, what stands in its way, and a folder that recovers without us."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import clones
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.restore import RestoreRequest, restore_files
from dataprotect.engine.timeline_model import LATEST, Choice, Target
from dataprotect.engine.verify import verify
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.logs import LogReader
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.engine.postgresql.pitr.streamed import Streamed, streaming
from tests.engine.postgresql.protected import inside, own, run_pgbench
from tests.servers.postgresql import PostgresServer, free_port, make_reachable

NOW = "SELECT clock_timestamp(), pg_current_wal_insert_lsn()::text"


@dataclass
class Story:
    """One row per chapter; `at` and `position` were read right after the chapter's commit."""

    streamed: Streamed
    at: list[datetime]
    position: list[int]


@pytest.fixture(scope="module")
def story(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[Story]:
    """Five chapters with some log between them, a restore point after the third, a second base after it."""
    server = PostgresServer(postgres_binaries(17), workdir / "story").create().start()
    bench = Bench(workdir / "story-bench")
    at, position = [], []
    try:
        run_pgbench(server, "-i", "-q", "-s", "1")
        with server.connect() as connection:
            connection.execute("CREATE TABLE chapter (id int)")
        with streaming(server, bench) as streamed, server.connect() as connection:
            for number in range(1, 6):
                if number in (1, 4):
                    bench.back_up(server, backup_id=f"base{number}")
                connection.execute("INSERT INTO chapter VALUES (%s)", (number,))
                row = connection.execute(NOW).fetchone()
                assert row is not None
                at.append(row[0].astimezone(UTC))
                position.append(lsn.parse(row[1]))
                if number == 3:
                    connection.execute("SELECT pg_create_restore_point('third')")
                run_pgbench(server, "-t", "300", "-c", "2")
                connection.execute("SELECT pg_switch_wal()")
            streamed.settle()
            yield Story(streamed, at, position)
    finally:
        server.stop()
        bench.close()
        shutil.rmtree(server.folder, ignore_errors=True)


def chapters(clone: object) -> int:
    with inside(clone) as connection:  # type: ignore[arg-type]
        row = connection.execute("SELECT max(id) FROM chapter").fetchone()
    assert row is not None
    return int(row[0])


def refused(story: Story, choice: Choice) -> ForeseenError:
    with pytest.raises(ForeseenError) as error:
        story.streamed.bring_up(choice)
    folder = story.streamed.clones
    assert not folder.exists() or not list(folder.iterdir()), "nothing is left of a clone that failed"
    return error.value


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_instant(story: Story, number: int) -> None:
    choice = story.streamed.choose(Target("time", at=story.at[number - 1]))
    assert choice.base.backup_id == ("base1" if number < 4 else "base4")
    with story.streamed.clone(choice) as made:
        assert chapters(made) == number
        assert made.reached_at is not None and made.reached_at <= story.at[number - 1]
        assert made.reached_reason.startswith("before ")


def test_a_position_is_exclusive(story: Story) -> None:
    with story.streamed.clone(Target("lsn", position=story.position[1])) as made:
        assert chapters(made) == 2
        assert 0 <= story.position[1] - lsn.parse(made.reached_position) <= 64


def test_the_latest(story: Story) -> None:
    choice = story.streamed.choose(LATEST)
    assert choice.base.backup_id == "base4"
    with story.streamed.clone(choice) as made:
        assert chapters(made) == 5
        assert not (made.data_directory.parent / "log").exists(), "nothing fetched in vain stays"


def test_a_restore_point(story: Story) -> None:
    first = story.streamed.choose(Target("lsn", position=story.position[0]))
    choice = story.streamed.choose(Target("name", name="third"))
    # The newest base lies behind the restore point: only replaying could tell, so the server says it.
    error = refused(story, choice)
    assert error.code == "target.no_restore_point"
    assert "'third'" in error.message and "base4" in error.message and "older one" in error.action
    from_first = replace(choice, base=first.base)
    with story.streamed.clone(from_first) as made:
        assert chapters(made) == 3
        assert made.reached_reason == 'at restore point "third"'


def test_an_instant_that_the_log_does_not_prove_is_an_error_and_not_the_latest(story: Story) -> None:
    choice = story.streamed.choose(LATEST)
    late = Target("time", at=datetime.now(UTC) + timedelta(hours=1))
    beyond = replace(choice, target=late, ends_log=False)
    assert refused(story, beyond).code == "target.not_reached"


def test_a_damaged_segment_is_told_and_never_taken_for_the_end_of_the_log(story: Story) -> None:
    choice = story.streamed.choose(Target("lsn", position=story.position[3]))
    objects = LogReader(story.streamed.bench.repository, INSTANCE).objects()
    damaged = next(item.name for item in objects if item.kind == "wal" and item.start >= choice.base.own_end)
    place = Path(story.streamed.bench.repository.url.removeprefix("file://")) / damaged
    good, mode = place.read_bytes(), place.stat().st_mode
    place.chmod(0o600)
    place.write_bytes(good[:-100] + bytes(100))
    try:
        latest = story.streamed.choose(LATEST)
        with pytest.raises(DamagedObject) as error:
            story.streamed.bring_up(latest)
        assert damaged in error.value.message
    finally:
        place.write_bytes(good)
        place.chmod(mode)


def test_a_folder_recovers_to_its_target_without_us(story: Story) -> None:
    streamed = story.streamed
    choice = streamed.choose(Target("time", at=story.at[1]))
    home = own(streamed.bench.folder / "alone")
    request = RestoreRequest(INSTANCE, choice.base.backup_id, home / "data", choice=choice)
    result = restore_files(streamed.bench.repository, request)
    assert any("recovers to" in note for note in result.notes)
    server = PostgresServer(streamed.server.bin, home, port=free_port(), password=streamed.server.password)
    make_reachable(home)
    with (server.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {server.port}\nunix_socket_directories = '{home}'\n")
    try:
        server.start()
        deadline = time.monotonic() + 30
        with server.connect() as connection:
            while connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                assert time.monotonic() < deadline, "it was not promoted"
                time.sleep(0.1)
            assert connection.execute("SELECT max(id) FROM chapter").fetchone() == (2,)
    finally:
        server.stop()


def test_a_test_of_an_instant_says_what_it_looked_at(story: Story) -> None:
    streamed = story.streamed
    choice = streamed.choose(Target("time", at=story.at[2]))
    outcome = verify(
        "restore", streamed.bench.repository, INSTANCE, choice.base.backup_id, clones=streamed.clones,
        binaries={17: streamed.server.bin}, choice=choice,
    )  # fmt: skip
    assert outcome.passed, [check for check in outcome.checks if check.passed is False]
    named = {check.name for check in outcome.checks if check.passed}
    parts = ("schema of", "write probe in", "pg_amcheck of")
    assert {"recovery target", *(f"{part} postgres" for part in parts)} <= named
    assert outcome.rto_seconds and not clones.running(streamed.clones)


def test_a_tablespace_made_in_the_log_is_never_replayed(story: Story) -> None:
    """Last: from here on the newest log makes a tablespace."""
    streamed = story.streamed
    space = own(streamed.bench.folder / "space")
    before = streamed.choose(LATEST)
    with streamed.server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE made LOCATION '{space}'")
        connection.execute("SELECT pg_switch_wal()")
        run_pgbench(streamed.server, "-t", "50")
    streamed.settle()
    held = sorted(space.iterdir())
    error = refused(story, streamed.choose(LATEST))
    assert (error.code, str(space) in error.message) == ("restore.tablespace_in_log", True)
    assert sorted(space.iterdir()) == held
    with streamed.clone(Target("lsn", position=before.reach_end)) as made:
        assert chapters(made) == 5
