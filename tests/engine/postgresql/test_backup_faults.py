"""What must be true after a backup went wrong: no seal, no slot, no backup mode, and the next one works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.core.secrets import Secret
from dataprotect.engine.backup import take_backup
from dataprotect.engine.model import Reader
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.servers.postgresql import PostgresServer
from tests.warm import WarmPython

_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
OnStep = Callable[[str, Callable[[], None]], None]


def nothing_is_left_on(server: PostgresServer) -> None:
    """No slot, no session, no backup mode; the server notices a dead client within moments."""
    deadline = time.monotonic() + 20
    query = (
        "SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name LIKE 'dataprotect%')"
    )
    while True:
        with server.connect() as connection:
            found = connection.execute(query).fetchone()
        if found == (0, 0):
            return
        assert time.monotonic() < deadline, f"left behind (slots, sessions): {found}"
        time.sleep(0.1)


def run_child(
    warm: WarmPython, bench: Bench, server: PostgresServer, reader: Reader, backup_id: str, *step: str
) -> subprocess.CompletedProcess[str]:
    words = [
        "-m", "tests.engine.postgresql.killed_backup", str(bench.folder / "repository"),
        str(bench.keys / "keys.json"), str(bench.spool), str(server.port), reader, backup_id, *step,
    ]  # fmt: skip
    return warm.run(words, env=os.environ, stdin=server.password + "\n", timeout=120)


@pytest.mark.slow
def test_killed_at_every_step(make_postgres, bench: Bench, reader: Reader, warm_python: WarmPython) -> None:
    server: PostgresServer = make_postgres()
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) i")
    dry = run_child(warm_python, bench, server, reader, "dry-run")
    assert dry.returncode == 0, dry.stderr
    steps = dry.stdout.split()
    assert {"backup.mode_started", "backup.data_read", "backup.mode_ended", "backup.before_seal"} <= set(
        steps
    )
    sealed = ["dry-run"]
    for number, step in enumerate(steps):
        killed = run_child(warm_python, bench, server, reader, f"killed-{number}", step)
        assert killed.returncode == -signal.SIGKILL, f"{step}: {killed.stderr}"
        # Once the seal is there, the backup is whole, whoever dies next.
        if steps.index("backup.after_seal") <= number:
            sealed.append(f"killed-{number}")
        assert sorted(bench.sealed()) == sorted(sealed), step
        assert all(left.stat().st_size < 4 << 20 for left in bench.spool.iterdir()), "a log segment was left"
    nothing_is_left_on(server)
    bench.repository.sweep(INSTANCE)
    assert sorted(bench.sealed()) == sorted(sealed)
    result = bench.back_up(server, reader)
    with bench.bring_up(result, server).connect() as restored:
        assert restored.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


STEPS = ["backup.log_reserved", "backup.log_following", "backup.data_read", "backup.mode_ended"]


@pytest.mark.parametrize("step", STEPS)
def test_the_server_dies(make_postgres, bench: Bench, reader: Reader, on_step: OnStep, step: str) -> None:
    server: PostgresServer = make_postgres()
    first = bench.back_up(server, reader)
    on_step(step, server.kill)
    with pytest.raises(ForeseenError) as caught:
        bench.back_up(server, reader, "torn")
    assert caught.value.code.startswith(("connection.", "postgresql."))
    assert server.password not in str(caught.value)
    assert bench.sealed() == [first.backup_id]
    (server.data / "postmaster.pid").unlink(missing_ok=True)
    wait_for_children_to_end(server)
    server.start()
    nothing_is_left_on(server)
    assert bench.back_up(server, reader).files > 0


def wait_for_children_to_end(server: PostgresServer) -> None:
    """A postmaster that was killed leaves its children some moments more; they hold the shared memory."""
    for _ in range(200):
        try:
            server.start()
        except subprocess.CalledProcessError:
            time.sleep(0.1)
        else:
            server.stop()
            return
    raise AssertionError("the server did not come up again")


def test_two_clusters_never_share_a_place(make_postgres, bench: Bench) -> None:
    mine: PostgresServer = make_postgres()
    other: PostgresServer = make_postgres(version=17)
    first = bench.back_up(mine)
    with pytest.raises(ForeseenError) as caught:
        bench.back_up(other)
    assert caught.value.code == "repository.foreign_cluster"
    assert bench.sealed() == [first.backup_id]


@pytest.mark.parametrize("phase", ["prepare", "copy", "log", "seal"])
def test_cancelled_in_every_phase(
    postgres15: PostgresServer, bench: Bench, reader: Reader, phase: str
) -> None:
    class Impatient(Silent):
        now = False

        def phase(self, name: str, total_bytes: int | None = None) -> None:
            self.now = self.now or name == phase

        def checkpoint(self) -> None:
            if self.now:
                raise Cancelled

    before = threading.active_count(), sys.getswitchinterval()
    with pytest.raises(Cancelled):
        bench.back_up(postgres15, reader, "cancelled", Impatient())
    assert bench.sealed() == []
    assert (threading.active_count(), sys.getswitchinterval()) == before
    nothing_is_left_on(postgres15)


def test_the_session_in_backup_mode_is_ended_by_somebody(
    postgres15: PostgresServer, bench: Bench, on_step: OnStep
) -> None:
    def terminate() -> None:
        with postgres15.connect() as connection:
            connection.execute(_TERMINATE, ("dataprotect backup",))

    on_step("backup.log_following", terminate)
    with pytest.raises(ForeseenError) as caught:
        bench.back_up(postgres15, "local", "torn")
    assert caught.value.code == "connection.lost"
    assert bench.sealed() == []
    nothing_is_left_on(postgres15)


def test_the_log_stream_is_ended_by_somebody(
    postgres15: PostgresServer, bench: Bench, reader: Reader, on_step: OnStep
) -> None:
    def terminate() -> None:
        with postgres15.connect() as connection:
            connection.execute(_TERMINATE, ("dataprotect wal",))

    on_step("backup.log_following", terminate)
    with pytest.raises(ForeseenError) as caught:
        bench.back_up(postgres15, reader, "torn")
    assert caught.value.code.startswith(("connection.lost", "postgresql."))
    assert bench.sealed() == []
    nothing_is_left_on(postgres15)


def test_a_server_without_senders_or_slots_is_told(make_postgres, bench: Bench, reader: Reader) -> None:
    server: PostgresServer = make_postgres(settings={"max_wal_senders": "1", "max_replication_slots": "0"})
    with pytest.raises(ForeseenError) as slots:
        bench.back_up(server, reader)
    assert slots.value.code.startswith("postgresql.")
    server.stop("fast")
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write("max_wal_senders = 0\nwal_level = minimal\n")
    server.start()
    with pytest.raises(ForeseenError) as minimal:
        bench.back_up(server, reader)
    assert minimal.value.code == "postgresql.wal_level"


def test_a_standby_is_refused(make_postgres, bench: Bench, workdir: Path) -> None:
    server: PostgresServer = make_postgres()
    standby = PostgresServer(server.bin, server.folder / "standby")
    standby.folder.mkdir()
    server.run("true")
    if os.geteuid() == 0:
        import pwd

        account = pwd.getpwnam("postgres")
        os.chown(standby.folder, account.pw_uid, account.pw_gid)
    server.run(
        server.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
        "-D", standby.data, "-R", "-X", "stream", "-c", "fast",
    )  # fmt: skip
    from tests.servers.postgresql import free_port

    standby.port = free_port()
    with (standby.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {standby.port}\nunix_socket_directories = '{standby.folder}'\n")
    standby.start()
    try:
        with pytest.raises(ForeseenError) as caught:
            bench.back_up(standby)
        assert caught.value.code == "postgresql.standby"
    finally:
        standby.stop()


def test_the_password_appears_nowhere(postgres15: PostgresServer, bench: Bench) -> None:
    planted = "planted-secret-4711"
    request = bench.request(postgres15)
    address = replace(request.source.address, password=Secret(planted))
    with pytest.raises(ForeseenError) as caught:
        take_backup(replace(request, source=replace(request.source, address=address)), bench.repository)
    import traceback

    text = "".join(traceback.format_exception(caught.value)) + str(caught.value.as_json()) + repr(request)
    assert planted not in text
    for place in bench.folder.rglob("*"):
        assert not place.is_file() or planted.encode() not in place.read_bytes()
