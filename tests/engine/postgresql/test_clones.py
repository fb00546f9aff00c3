"""Clones are isolated, whatever the source's settings say, and gone without a trace, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from dataprotect.core import steps
from dataprotect.core.errors import Cancelled, ForeseenError, InvalidInput
from dataprotect.core.progress import Silent
from dataprotect.core.secrets import Secret
from dataprotect.engine import clone_folder, clones, processes
from dataprotect.engine.backup import take_backup
from dataprotect.engine.databases.postgresql import binaries, clone_settings, lsn
from tests.engine.postgresql import protected
from tests.engine.postgresql.conftest import INSTANCE
from tests.engine.postgresql.protected import Protected, inside, names_in
from tests.warm import warm_python

STEPS = [
    "clone.folder_made",
    "restore.copied",
    "clone.restored",
    "clone.before_start",
    "clone.started",
    "clone.ready",
]


@pytest.fixture(scope="module", params=[15, 17])
def source(
    request: pytest.FixtureRequest, workdir: Path, postgres_binaries: Callable[[int], Path]
) -> Iterator[Protected]:
    yield from protected.protect(workdir / f"clones{request.param}", postgres_binaries(request.param))


class Noting(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def test_a_clone_sees_and_reaches_nothing_but_its_folder(source: Protected) -> None:
    archived = names_in(source.archived)
    made = source.bring_up()
    try:
        with inside(made) as connection:
            row = connection.execute(
                "SELECT current_setting('listen_addresses'), current_setting('archive_mode'), "
                "current_setting('primary_conninfo'), current_setting('restore_command'), "
                "current_setting('max_worker_processes'), current_setting('shared_preload_libraries'), "
                "current_setting('unix_socket_directories'), current_setting('archive_command'), "
                "pg_tablespace_location((SELECT oid FROM pg_tablespace WHERE spcname = 'fast'))"
            ).fetchone()
            assert row is not None
            assert row[:6] == ("", "off", "", "/bin/false", "0", "pg_stat_statements")
            assert row[6] == str(made.socket_directory)
            assert Path(row[8]).is_relative_to(made.data_directory.parent)
            connection.execute("CHECKPOINT")
            connection.execute("SELECT pg_switch_wal()")
        assert made.socket_directory.stat().st_mode & 0o777 == 0o700
        assert made.data_directory.stat().st_uid == source.server.data.stat().st_uid
        if os.geteuid() == 0:
            assert Path(f"/proc/{made.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        state = clones.running(source.clones)[0]
        assert (state.clone_id, state.phase, state.dsn) == (made.clone_id, "running", made.dsn)
    finally:
        clones.drop(source.clones, made.clone_id)
    assert source.nothing_left()
    new = names_in(source.archived) - archived
    assert not {name for name in new if name.startswith("00000002")}, "the clone archived"


def test_it_stands_exactly_at_the_fingerprints_position(source: Protected) -> None:
    wanted = source.bench.repository.seal(INSTANCE, source.backup_id).facts["fingerprint_position"]
    made = source.bring_up()
    clones.drop(source.clones, made.clone_id)
    assert 0 <= lsn.parse(wanted) - lsn.parse(made.reached_position) <= 64


def test_a_position_the_log_does_not_reach_is_an_error_with_the_servers_own_words(source: Protected) -> None:
    with pytest.raises(ForeseenError) as failed:
        source.bring_up(position="FF/0")
    assert failed.value.code == "clone.not_started"
    assert "recovery ended before configured recovery target was reached" in failed.value.message
    assert source.nothing_left()


def test_a_renamed_superuser_lets_us_in(source: Protected) -> None:
    with source.server.connect() as connection:
        connection.execute("CREATE ROLE chief SUPERUSER LOGIN PASSWORD 'chief'")
    chief = psycopg.connect(
        host="127.0.0.1",
        port=source.server.port,
        user="chief",
        password="chief",
        dbname="postgres",
        autocommit=True,
    )
    chief.execute("ALTER ROLE postgres RENAME TO boss")
    try:
        request = source.bench.request(source.server)
        address = replace(request.source.address, user="chief", password=Secret("chief"))
        result = take_backup(
            replace(request, source=replace(request.source, address=address)), source.bench.repository
        )
    finally:
        chief.execute("ALTER ROLE boss RENAME TO postgres")
        chief.execute(f"ALTER ROLE postgres PASSWORD '{source.server.password}'")
        chief.close()
        with source.server.connect() as connection:
            connection.execute("DROP ROLE chief")
    made = source.bring_up(backup_id=result.backup_id)
    try:
        with inside(made) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("boss",)
    finally:
        clones.drop(source.clones, made.clone_id)


@pytest.mark.parametrize("source", [15], indirect=True)  # no step depends on the version
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_sweep_finds_all_of_it(source: Protected, step: str) -> None:
    run_and_die(source, "clone", step)
    left = clones.running(source.clones)
    assert len(left) == 1
    if step == "clone.ready":  # it was meant to stay, and it is complete
        assert clones.sweep_clones(source.clones) == []
        clones.drop(source.clones, left[0].clone_id)
    else:
        assert clones.sweep_clones(source.clones) == [left[0].clone_id]
    assert source.nothing_left()


@pytest.mark.parametrize("source", [15], indirect=True)  # no step depends on the version
@pytest.mark.parametrize("step", ["clone.started", "verify.clone_ready", "verify.compared"])
def test_a_verifications_clone_never_outlives_its_worker(source: Protected, step: str) -> None:
    run_and_die(source, "verify", step)
    assert len(clones.sweep_clones(source.clones)) == 1
    assert source.nothing_left()


def run_and_die(source: Protected, kind: str, step: str) -> None:
    bench = source.bench
    argv = [
        "-m", "tests.engine.postgresql.dying_worker", kind, step, bench.repository.url,
        str(bench.keys / "keys.json"), str(source.clones), source.backup_id,
        f"{source.server.major}={source.server.bin}",
    ]  # fmt: skip
    died = warm_python().run(argv, env=os.environ, stdin="", timeout=240)
    assert died.returncode == -signal.SIGKILL, died.stderr


def test_a_clone_in_the_making_is_not_swept(source: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[str] = []

    def hook(name: str) -> None:
        if name == "clone.restored":
            swept.extend(clones.sweep_clones(source.clones))

    monkeypatch.setattr(steps, "hook", hook)
    made = source.bring_up(purpose="verification")
    clones.drop(source.clones, made.clone_id)
    assert swept == []


def test_cancelling_leaves_nothing(source: Protected) -> None:
    class CancelInRecovery(Silent):
        recovering = False

        def phase(self, name: str, total_bytes: int | None = None) -> None:
            self.recovering = name == "recovery"

        def checkpoint(self) -> None:
            if self.recovering:
                raise Cancelled()

    with pytest.raises(Cancelled):
        source.bring_up(CancelInRecovery())
    assert source.nothing_left()


def test_missing_programs_name_the_package(source: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "DEBIAN", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/bin")
    with pytest.raises(ForeseenError) as failed:
        source.bring_up(binaries={})
    assert failed.value.code == "postgresql.binaries_missing"
    assert f"postgresql-{source.server.major}" in failed.value.action
    assert source.nothing_left()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs clones as another user")
def test_a_folder_the_servers_user_cannot_reach_is_said(source: Protected) -> None:
    closed = source.bench.folder / "closed"
    closed.mkdir(mode=0o700, exist_ok=True)
    with pytest.raises(ForeseenError) as failed:
        source.bring_up(clones=closed / "clones")
    assert failed.value.code == "clone.unreachable"
    assert str(closed) in failed.value.message


def test_a_deep_folder_gets_a_short_socket(source: Protected) -> None:
    deep = source.bench.folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True, exist_ok=True)
    for place in (deep, deep.parent):
        place.chmod(0o711)
    made = source.bring_up(clones=deep)
    assert len(str(made.socket_directory)) < 60
    with inside(made) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    clones.drop(deep, made.clone_id)
    assert not made.socket_directory.exists()


@pytest.mark.parametrize("name", ["..", "../../etc", "clone-", "clone-XYZ", "", "clone-0123456789ab/.."])
def test_only_a_clones_own_folder_is_ever_deleted(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        clones.drop(tmp_path, name)


def test_another_process_with_the_noted_id_is_left_alone(source: Protected) -> None:
    """The postmaster.pid of a dead clone may name a process of somebody else by now."""
    made = source.bring_up()
    os.kill(made.pid, signal.SIGKILL)
    for process in processes.inside(made.data_directory, "postgres"):
        processes.end(process, signal.SIGQUIT, 5)
    innocent = subprocess.Popen(["/bin/sleep", "60"])
    try:
        (made.data_directory / "postmaster.pid").write_text(f"{innocent.pid}\n")
        clones.drop(source.clones, made.clone_id)
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()
    assert source.nothing_left()


def test_a_damaged_note_is_a_leftover(source: Protected) -> None:
    folder = source.clones / clone_folder.new_clone_id()
    (folder / "data").mkdir(parents=True)
    (folder / "clone.json").write_text("{")
    assert clones.sweep_clones(source.clones) == [folder.name]


def test_libraries_that_are_missing_or_act_on_the_world_are_left_out(tmp_path: Path) -> None:
    for name in ("pg_stat_statements", "pg_cron"):
        (tmp_path / f"{name}.so").touch()
    wanted = ["pg_stat_statements", "$libdir/pg_cron", "no_such_lib", "../../evil"]
    kept, notes = clone_settings.libraries(wanted, tmp_path)
    assert kept == ["pg_stat_statements"]
    assert [note.split()[2] for note in notes] == ["pg_cron", "no_such_lib", "evil"]
