"""Loading that fails says why, leaves nothing beside the database in use, and tells no secret."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.core.secrets import Secret
from dataprotect.engine import replace
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest, ReplaceTarget
from tests.conftest import MakePostgres
from tests.engine.postgresql.conftest import address_of
from tests.engine.postgresql.replacement.stage import Stage
from tests.servers.postgresql import PostgresServer, unprivileged_user


def refused(stage: Stage, request: ReplaceRequest, code: str) -> ForeseenError:
    """Nothing is left of it, and what is in use was not touched."""
    with pytest.raises(ForeseenError) as failed:
        replace.load(request)
    assert failed.value.code == code, failed.value.message
    assert stage.beside() == set()
    assert not request.spool.exists() or not any(request.spool.iterdir())
    assert stage.count() == 1000
    return failed.value


def check(request: ReplaceRequest, name: str) -> Check:
    return next(each for each in replace.preflight(request) if each.name == name)


@pytest.fixture
def tiny(stage17: Stage) -> Stage:
    stage17.renew()
    return stage17


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk this needs")
    place.mkdir()
    options = f"size={size},mode=711"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_the_spool_is_full(tiny: Stage) -> None:
    with small_disk(tiny.bench.folder / "small", "16k") as disk:
        request = tiny.request("tiny", spool=disk)
        assert check(request, "free space in the spool").passed is False
        error = refused(tiny, request, "replace.spool_full")
    assert "No space left" in error.message


@pytest.mark.parametrize("step", ["replace.dumped", "replace.staged_created"])
def test_the_servers_disk_is_full(
    tiny: Stage, make_postgres: MakePostgres, on_step: Callable[[str, Callable[[], None]], None], step: str
) -> None:
    """While the database is made, or while it is filled; on a server of its own."""
    server = make_postgres(version=17)
    with small_disk(server.folder / "small", "32m") as disk:
        try:
            if user := unprivileged_user():
                subprocess.run(["chown", user, str(disk)], check=True)
            with server.connect() as connection:
                connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
                connection.execute("CREATE DATABASE tiny TABLESPACE small")
            request = tiny.request("tiny", address=address_of(server))
            assert check(request, "free space on the server").passed
            on_step(step, lambda: fill(server, disk))
            with pytest.raises(ForeseenError) as failed:
                replace.load(request)
            assert failed.value.code == "replace.no_room", failed.value.message
            assert check(request, "free space on the server").passed is False
            with server.connect() as connection:
                found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'tiny%'")
                assert found.fetchall() == [("tiny",)]
        finally:
            server.stop()


def fill(server: PostgresServer, disk: Path) -> None:
    """What is in memory is written first: a small disk, unlike a real one, promises room it does not keep."""
    with server.connect() as connection:
        connection.execute("CHECKPOINT")
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 65536):
            pass


def test_free_space_that_cannot_be_known_is_said(tiny: Stage) -> None:
    """The folder the server names is another machine's: none of ours, or another cluster's."""
    request = tiny.request("tiny")
    elsewhere = ReplaceTarget(request.target.address, "tiny", tiny.clone.data_directory)
    found = check(tiny.request("tiny", target=elsewhere), "free space on the server")
    assert found.passed is None
    assert "not known" in found.found and "GB" in found.expected


def test_a_wrong_password_is_said_and_never_shown(tiny: Stage) -> None:
    planted = "planted-secret-4711"
    request = tiny.request("tiny", address=address_of(tiny.server, password=Secret(planted)))
    error = refused(tiny, request, "connection.password")
    found = check(request, "server answers")
    assert found.passed is False
    assert planted not in f"{error.as_json()} {found} {request!r}"


class Watcher(threading.Thread):
    """Arguments and environment of every process that works in `folder`, and the modes of its passfile."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.stop = folder, threading.Event()
        self.seen: set[str] = set()
        self.modes: set[int] = set()

    def run(self) -> None:
        while not self.stop.is_set():
            with suppress(OSError):
                self.modes.add((self.folder / "passfile").stat().st_mode & 0o777)
            for entry in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    if (entry / "cwd").readlink() == self.folder:
                        self.seen.add((entry / "cmdline").read_text() + (entry / "environ").read_text())


def test_the_password_is_in_no_argument_and_no_environment(
    tiny: Stage, on_step: Callable[[str, Callable[[], None]], None]
) -> None:
    """pg_restore waits for a lock until it was looked at."""
    request = tiny.request("tiny")
    folder = request.spool / f"replace-{request.restore_id}"
    staged = replace.names("tiny", request.restore_id).staged
    watcher = Watcher(folder)
    watcher.start()
    held: list[psycopg.Connection] = []

    def hold() -> None:
        held.append(tiny.server.connect(staged))
        held[0].execute("BEGIN; LOCK TABLE pg_largeobject_metadata IN ACCESS EXCLUSIVE MODE")

    class LetsGo(Silent):
        def checkpoint(self) -> None:
            if held and any("pg_restore" in each for each in watcher.seen):
                held.pop().close()

    on_step("replace.staged_created", hold)
    replace.load(request, LetsGo())
    watcher.stop.set()
    watcher.join(60)
    assert any("pg_dump" in each for each in watcher.seen)
    assert not any(tiny.server.password in each for each in watcher.seen)
    assert watcher.modes == {0o600}
    assert not folder.exists()


def test_a_missing_role_is_named_or_made_without_rights(tiny: Stage) -> None:
    with tiny.server.connect() as connection:
        connection.execute("ALTER ROLE shop_application RENAME TO elsewhere")
    try:
        request = tiny.request("shop")
        found = check(request, "roles")
        assert (found.passed, found.found) == (False, "missing: shop_application")
        assert "shop_application" in refused(tiny, request, "replace.role_missing").message
        request = tiny.request("shop", create_roles=True)
        assert check(request, "roles").passed
        assert replace.load(request).created_roles == ("shop_application",)
        with tiny.server.connect() as connection:
            row = connection.execute(
                "SELECT rolcanlogin, rolsuper, rolcreatedb, rolpassword FROM pg_authid"
                " WHERE rolname = 'shop_application'"
            ).fetchone()
            assert row == (True, False, False, None)
    finally:
        with tiny.server.connect() as connection:
            for name in tiny.beside():
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
            connection.execute("DROP ROLE IF EXISTS shop_application")
            connection.execute("ALTER ROLE elsewhere RENAME TO shop_application")


def test_a_missing_extension_is_named(tiny: Stage) -> None:
    control = tiny.server.bin.parent / "share/postgresql/extension/pg_trgm.control"
    if not control.exists():
        (control,) = tiny.server.bin.parent.rglob("pg_trgm.control")
    hidden = control.with_suffix(".hidden")
    control.rename(hidden)
    try:
        request = tiny.request("shop")
        found = check(request, "extensions")
        assert found.passed is False and "missing: pg_trgm" in found.found
        assert "pg_trgm" in refused(tiny, request, "replace.extension_missing").message
    finally:
        hidden.rename(control)


def test_somebody_elses_database_by_the_same_name_is_never_dropped(tiny: Stage) -> None:
    """Told by its note, or by its being empty: a run may die before it wrote one."""
    request = tiny.request("tiny")
    origin = replace.origin(request)
    name = replace.names("tiny", request.restore_id).staged
    with tiny.server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with tiny.server.connect(name) as connection:
        connection.execute("CREATE TABLE precious (i int)")
        for _ in ("not empty", "no note"):
            assert check(request, "names of the copies").passed is False
            with pytest.raises(ForeseenError) as refused_load:
                replace.load(request)
            assert refused_load.value.code == "replace.name_taken"
            with pytest.raises(ForeseenError) as refused_drop:
                replace.discard(request, origin, "staged")
            assert refused_drop.value.code == "replace.in_use"
            connection.execute(f"COMMENT ON DATABASE {name} IS 'mine'")
            connection.execute("DROP TABLE IF EXISTS precious")
        connection.execute(f"COMMENT ON DATABASE {name} IS NULL")
    replace.load(request)
    assert replace.discard(request, origin, "staged") > 0


def test_a_clone_that_is_gone_is_said(tiny: Stage) -> None:
    request = tiny.request("tiny", dsn="host=/nonexistent port=5432 user=postgres")
    assert check(request, "clone answers").passed is False
    assert refused(tiny, request, "replace.clone_lost").retry


def test_a_missing_tablespace_is_named(tiny: Stage) -> None:
    with tiny.server.connect() as connection:
        connection.execute("ALTER TABLESPACE shop_archive RENAME TO elsewhere")
    try:
        request = tiny.request("shop")
        assert check(request, "tablespaces").passed is False
        assert "shop_archive" in refused(tiny, request, "replace.tablespace_missing").message
    finally:
        with tiny.server.connect() as connection:
            connection.execute("ALTER TABLESPACE elsewhere RENAME TO shop_archive")


@pytest.mark.parametrize("phase", ["dump", "restore", "count"])
def test_cancelled_in_every_phase_nothing_is_left(tiny: Stage, phase: str) -> None:
    class Cancels(Silent):
        now = False

        def phase(self, name: str, total_bytes: int | None = None) -> None:
            self.now = self.now or name == phase

        def checkpoint(self) -> None:
            if self.now:
                raise Cancelled

    request = tiny.request("tiny")
    with pytest.raises(Cancelled):
        replace.load(request, Cancels())
    assert tiny.beside() == set()
    assert not any(request.spool.iterdir())


def test_the_server_ends_the_load(tiny: Stage, on_step: Callable[[str, Callable[[], None]], None]) -> None:
    """An administrator drops the staged database under it."""
    request = tiny.request("tiny")
    staged = replace.names("tiny", request.restore_id).staged

    def drop() -> None:
        with tiny.server.connect() as connection:
            connection.execute(f"DROP DATABASE {staged}")

    on_step("replace.staged_created", drop)
    with pytest.raises(ForeseenError) as failed:
        replace.load(request)
    assert staged in failed.value.message
    assert tiny.beside() == set()
