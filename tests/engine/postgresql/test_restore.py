"""Restore to a folder: it starts with the server's own programs, fenced; half-done it never looks done."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from dataprotect.core import steps
from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.engine.restore import MARKER, RestoreRequest, RestoreResult, restore_files
from tests.engine.postgresql import protected
from tests.engine.postgresql.conftest import INSTANCE
from tests.engine.postgresql.protected import Protected, names_in
from tests.servers.postgresql import PostgresServer, free_port
from tests.storage.test_format_document import Stranger
from tests.warm import warm_python

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=[15, 17])
def source(
    request: pytest.FixtureRequest, workdir: Path, postgres_binaries: Callable[[int], Path]
) -> Iterator[Protected]:
    yield from protected.protect(workdir / f"restore{request.param}", postgres_binaries(request.param))


@pytest.fixture
def target(source: Protected, request: pytest.FixtureRequest) -> Path:
    place = source.bench.folder / "targets" / request.node.name.replace("[", "-").rstrip("]")
    place.mkdir(parents=True)
    for folder in (place, place.parent):
        folder.chmod(0o711)
    return place / "data"


def restored(source: Protected, target: Path, **changes: object) -> RestoreResult:
    values = {
        "instance_id": INSTANCE, "backup_id": source.backup_id, "target": target,
        "tablespace_map": {"fast": target.with_name("fast")},
    }  # fmt: skip
    return restore_files(source.bench.repository, RestoreRequest(**(values | changes)))  # type: ignore[arg-type]


def start(source: Protected, target: Path) -> PostgresServer:
    server = PostgresServer(
        source.server.bin, target.parent, port=free_port(), password=source.server.password
    )
    options = f"-p {server.port} -c unix_socket_directories="
    server.run(
        server.bin / "pg_ctl", "-D", target, "-l", target / "log", "-w", "-t", "60", "-o", options, "start"
    )
    return server


def when_open(server: PostgresServer) -> psycopg.Connection:
    deadline = time.monotonic() + 60
    while True:
        connection = server.connect()
        row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        if (row and not row[0]) or time.monotonic() > deadline:
            return connection
        connection.close()
        time.sleep(0.1)


def test_it_starts_with_the_servers_own_programs_and_is_fenced(source: Protected, target: Path) -> None:
    result = restored(source, target)
    assert result.tablespaces == {"fast": str(target.with_name("fast"))}
    assert any("fenced" in note for note in result.notes)
    assert not (target / MARKER).exists()
    before = names_in(source.archived)
    original = {path: path.stat().st_mtime_ns for path in (source.bench.folder.parent / "fast").rglob("*")}
    server = start(source, target)
    try:
        with when_open(server) as connection:
            rows = connection.execute(
                "SELECT (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM shop.far), "
                "(SELECT count(*) FROM pgbench_accounts), current_setting('archive_mode'), "
                "current_setting('primary_conninfo'), current_setting('max_logical_replication_workers'), "
                "pg_tablespace_location((SELECT oid FROM pg_tablespace WHERE spcname = 'fast')), "
                "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
            ).fetchone()
            assert rows == (4000, 1000, 100000, "off", "", "0", str(target.with_name("fast")), "00000002")
            connection.execute(
                "UPDATE shop.far SET v = 'written on the copy'; CHECKPOINT; SELECT pg_switch_wal()"
            )
        time.sleep(0.5)
    finally:
        server.stop("fast")
    after = names_in(source.archived) - before
    assert not {name for name in after if name.startswith("00000002")}, "the copy archived"
    for path, changed in original.items():
        assert path.stat().st_mtime_ns == changed, f"the copy wrote to the source's tablespace: {path}"


def test_a_stranger_starts_it_from_the_document(source: Protected, target: Path) -> None:
    """docs/repository-format.md, sections 1 to 7 to read it and section 10 to start it."""
    root, keyring = source.bench.folder / "repository", source.bench.keys / "keys.json"
    stranger = Stranger(root, keyring, INSTANCE, source.backup_id)
    folders = [entry["path"] for entry in stranger.records() if entry.get("kind") == "directory"]
    place = {
        "pgdata": target,
        "tablespaces": target.with_name("spaces"),
        "config": target.with_name("config"),
    }
    for path in folders:
        top, _, rest = path.partition("/")
        (place[top] / rest).mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, data in stranger.restore().items():
        top, _, rest = path.partition("/")
        (place[top] / rest).write_bytes(data)
    spaces = sorted(place["tablespaces"].iterdir())
    (target / "tablespace_map").write_text("".join(f"{each.name} {each}\n" for each in spaces))
    with (target / "postgresql.auto.conf").open("a") as conf:
        conf.write("archive_mode = off\nprimary_conninfo = ''\n")
    account = source.server.data.stat().st_uid
    for top in (target, place["tablespaces"]):
        for each in [top, *top.rglob("*")]:
            os.chown(each, account, -1)
            each.chmod(0o700 if each.is_dir() else 0o600)
    server = start(source, target)
    try:
        with when_open(server) as connection:
            counts = "SELECT (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM shop.far)"
            assert connection.execute(counts).fetchone() == (4000, 1000)
            found = connection.execute("SELECT pg_tablespace_location(oid) FROM pg_tablespace").fetchall()
            assert {(str(each),) for each in spaces} <= set(found)
    finally:
        server.stop("fast")


def test_modes_and_owners_are_the_servers(source: Protected, target: Path) -> None:
    restored(source, target)
    account = source.server.data.stat().st_uid
    for place in (target, target.with_name("fast")):
        assert place.stat().st_mode & 0o777 == 0o700
        for path in place.rglob("*"):
            assert path.lstat().st_uid == account, path
            assert path.is_symlink() or path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "restore.tablespace_unmapped"),
        ({"fast": "{0}/x", "slow": "{0}/y"}, "input.tablespace_map"),
        ({"fast": "{0}/data/inside"}, "input.target"),
    ],
)
def test_tablespaces_are_settled_before_a_byte_is_written(
    source: Protected, target: Path, given: dict[str, str], code: str
) -> None:
    spaces = {name: Path(place.format(target.parent)) for name, place in given.items()}
    with pytest.raises(ForeseenError) as refused:
        restored(source, target, tablespace_map=spaces)
    assert refused.value.code == code
    assert not target.exists()


def test_a_tablespace_may_be_named_by_its_oid(source: Protected, target: Path) -> None:
    with source.server.connect() as connection:
        row = connection.execute("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'").fetchone()
    assert row is not None
    result = restored(source, target, tablespace_map={str(row[0]): target.with_name("fast")})
    assert result.tablespaces == {"fast": str(target.with_name("fast"))}


def test_targets_that_could_hurt_are_refused(source: Protected, target: Path) -> None:
    occupied = target.with_name("occupied")
    occupied.mkdir()
    (occupied / "mine").write_text("precious")
    link = target.with_name("link")
    link.symlink_to(occupied)
    repository = Path(source.bench.repository.url.removeprefix("file://"))
    for place, code in (
        (occupied, "restore.target_not_empty"),
        (link, "input.target"),
        (occupied / "mine", "input.target"),
        (target.with_name("no") / "such" / "parent", "input.target"),
        (repository / "inside", "restore.inside_repository"),
        (Path("relative"), "input.target"),
        (source.server.data, "restore.target_not_empty"),
    ):
        with pytest.raises(ForeseenError) as refused:
            restored(source, place)
        assert refused.value.code == code, place
    assert (occupied / "mine").read_text() == "precious"
    assert names_in(occupied) == {"mine"}


def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def disk(source: Protected, request: pytest.FixtureRequest) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    name = request.node.name.replace("[", "-").rstrip("]")
    yield from small_disk(source.bench.folder / f"disk-{name}", request.param)


@pytest.mark.parametrize("disk", ["20m"], indirect=True)
def test_too_small_a_disk_is_seen_before_a_byte_is_written(source: Protected, disk: Path) -> None:
    with pytest.raises(ForeseenError) as refused:
        restored(source, disk / "data")
    assert refused.value.code == "restore.no_room"
    assert names_in(disk) == set()


@pytest.mark.parametrize("disk", ["400m"], indirect=True)
def test_a_disk_that_fills_up_leaves_a_marked_folder(
    source: Protected, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(name: str) -> None:
        if name == "restore.marked":
            with (disk / "other").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(b"x" * (1 << 20))
            with (disk / "other").open("r+b") as file:
                file.truncate(370 << 20)

    monkeypatch.setattr(steps, "hook", fill)
    with pytest.raises(ForeseenError) as failed:
        restored(source, disk / "data")
    assert failed.value.code == "restore.target_full"
    assert_incomplete(source, disk / "data")


def assert_incomplete(source: Protected, target: Path) -> None:
    assert (target / MARKER).exists()
    assert not (target / "global/pg_control").exists()
    with pytest.raises(subprocess.CalledProcessError):
        start(source, target)
    with pytest.raises(ForeseenError) as refused:
        restored(source, target)
    assert refused.value.code == "restore.target_not_empty"


def test_cancelling_ends_it_soon_and_leaves_it_marked(source: Protected, target: Path) -> None:
    class CancelSoon(Silent):
        calls = 0

        def checkpoint(self) -> None:
            self.calls += 1
            if self.calls > 2:
                raise Cancelled()

    request = RestoreRequest(INSTANCE, source.backup_id, target, {"fast": target.with_name("fast")})
    with pytest.raises(Cancelled):
        restore_files(source.bench.repository, request, CancelSoon())
    assert_incomplete(source, target)


@pytest.mark.parametrize("source", [15], indirect=True)  # no step depends on the version
@pytest.mark.parametrize("step", ["restore.marked", "restore.copied", "restore.before_release"])
def test_killed_at_any_step_it_never_looks_done(source: Protected, target: Path, step: str) -> None:
    bench = source.bench
    argv = [
        "-m", "tests.engine.postgresql.dying_worker", "restore", step, bench.repository.url,
        str(bench.keys / "keys.json"), str(target), source.backup_id,
        f"{source.server.major}={source.server.bin}",
    ]  # fmt: skip
    died = warm_python().run(argv, env=os.environ, stdin="", timeout=240)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert_incomplete(source, target)


@pytest.mark.parametrize("dropped", [False, True])
def test_a_tablespace_made_meanwhile_is_never_replayed(
    source: Protected, target: Path, monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    """Replaying its creation would empty its folder on the source's disk."""
    place = protected.own(source.bench.folder.parent / f"meanwhile{dropped}")

    def hook(name: str) -> None:
        if name == "backup.mode_started":
            with source.server.connect() as connection:
                connection.execute(f"CREATE TABLESPACE meanwhile LOCATION '{place}'")
                if dropped:
                    connection.execute("DROP TABLESPACE meanwhile")

    monkeypatch.setattr(steps, "hook", hook)
    backup_id = source.bench.back_up(source.server).backup_id
    monkeypatch.setattr(steps, "hook", lambda name: None)
    inside = sorted(path.name for path in place.rglob("*"))
    try:
        for attempt in (
            lambda: restored(source, target, backup_id=backup_id, binaries=source.binaries),
            lambda: source.bring_up(backup_id=backup_id),
        ):
            with pytest.raises(ForeseenError) as refused:
                attempt()
            assert refused.value.code == "restore.tablespace_in_log"
        assert sorted(path.name for path in place.rglob("*")) == inside
        assert not (target / "global/pg_control").exists()
    finally:
        with source.server.connect() as connection:
            connection.execute("DROP TABLESPACE IF EXISTS meanwhile")


def test_a_configuration_that_leads_back_to_the_source_is_redirected(source: Protected, target: Path) -> None:
    conf = source.server.data / "postgresql.conf"
    original = conf.read_text()
    conf.write_text(
        original + f"data_directory = '{source.server.data}'\nhba_file='{source.server.data}/pg_hba.conf'\n"
    )
    try:
        backup_id = source.bench.back_up(source.server).backup_id
    finally:
        conf.write_text(original)
    result = restored(source, target, backup_id=backup_id)
    assert any("named files of the source" in note for note in result.notes)
    server = start(source, target)
    try:
        with when_open(server) as connection:
            row = connection.execute(
                "SELECT current_setting('data_directory'), current_setting('hba_file')"
            ).fetchone()
    finally:
        server.stop("fast")
    assert row == (str(target), f"{target}/pg_hba.conf")
