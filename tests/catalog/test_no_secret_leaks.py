"""A password is found nowhere: not after a success, not after any kind of failing backup."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer
from tests.warm import fresh_python

PASSWORD = "Unf1ndable-Pa55word-7d1f"
NEEDLES = (PASSWORD.encode(), PASSWORD.encode("utf-16-le"), PASSWORD.encode().hex().encode())


class Watch(threading.Thread):
    """Looks at the arguments and the environment of every process, again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done, self.seen, self.looked_at = threading.Event(), set[str](), set[str]()

    def run(self) -> None:
        while not self.done.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    self._look(process / name)

    def _look(self, file: Path) -> None:
        try:
            content = file.read_bytes()
        except OSError:
            return
        self.looked_at.add(str(file.parent))
        if any(needle in content for needle in NEEDLES):
            self.seen.add(f"{file}: {content[:200]!r}")


@contextmanager
def watched() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    try:
        yield watch
    finally:
        watch.done.set()
        watch.join()


@pytest.fixture
def installation(installation: Installation) -> Installation:
    """Its commands are fresh processes, because arguments and environments are looked at here."""
    installation.python = fresh_python
    return installation


@pytest.fixture
def server(make_postgres: Callable[..., PostgresServer]) -> PostgresServer:
    made = make_postgres()
    with made.connect() as connection:
        connection.execute(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
    made.password = PASSWORD
    return made


def files_with_it(*folders: Path) -> list[str]:
    found = []
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_socket():
                content = file.read_bytes()
                found += [str(file) for needle in NEEDLES if needle in content]
    return found


def assert_nowhere(installation: Installation, watch: Watch, *said: str) -> None:
    assert watch.seen == set()
    assert len(watch.looked_at) > 5, "the watch looked at something"
    assert files_with_it(installation.home, installation.repository) == []
    assert not any(PASSWORD in text for text in said)


def test_the_search_would_find_it(tmp_path: Path) -> None:
    """The needle in a file, and in the environment of a child: both are found."""
    import subprocess
    import sys

    (tmp_path / "leak").write_bytes(b"x" * 10000 + PASSWORD.encode())
    assert files_with_it(tmp_path) == [str(tmp_path / "leak")]
    with watched() as watch:
        subprocess.run(
            [sys.executable, "-c", "import time; time.sleep(0.5)"], env={**os.environ, "LEAK": PASSWORD}
        )
    assert watch.seen


def test_in_the_foreground(installation: Installation, server: PostgresServer) -> None:
    said = []
    with watched() as watch:
        installation.add_repository()
        added = installation.run(*installation.instance_words(server), "--json", stdin=PASSWORD)
        said += [added.out, added.err]
        for words in (["probe", "orders"], ["backup", "orders"]):
            ran = installation.run(*words, "--json")
            assert ran.code == 0, ran.out
            said += [ran.out, ran.err]
        backup_id = ran.json["backup_id"]
        ran = installation.run("verify", backup_id, "--level", "restore", "--traceback")
        said += [ran.out, ran.err]
        port = str(server.port)
        installation.answer("change_instance", "orders", "--port", "1")
        refused = installation.run("backup", "orders", "--json", "--traceback")
        assert (refused.code, refused.error) == (1, "connection.unreachable")
        said += [refused.out, refused.err]
        installation.answer("change_instance", "orders", "--port", port)
        with server.connect() as connection:
            connection.execute("ALTER ROLE postgres PASSWORD 'another-one'")
        refused = installation.run("backup", "orders", "--json", "--traceback")
        assert (refused.code, refused.error) == (1, "connection.password")
        said += [refused.out, refused.err]
    server.password = "another-one"
    assert_nowhere(installation, watch, *said)
    sealed = installation.rows("Instance.objects.get().password_sealed")
    assert sealed.startswith("v1:")


def test_on_a_worker_whose_server_dies(installation: Installation, server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute(
            "CREATE TABLE ballast AS"
            " SELECT g, md5(g::text) || md5((g + 1)::text) FROM generate_series(1, 600000) g"
        )
    installation.environment["LOG_LEVEL"] = "DEBUG"
    jobs = "[[j.state, j.error_code] for j in Job.objects.filter(kind='run_backup')]"
    with watched() as watch:
        installation.add_repository()
        installation.add_instance(server)
        installation.rows(
            "str(__import__('catalog.services', fromlist=['x']).backup_start("
            "actor='system:test', instance=Instance.objects.get(), reader='streamed').pk)"
        )
        with installation.workers():
            deadline = time.monotonic() + 90
            while not list(installation.repository.rglob("begun.json")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            server.kill()
            while installation.rows(jobs)[0][0] not in ("failed", "errored", "succeeded"):
                assert time.monotonic() < deadline
                time.sleep(0.5)
    state, code = installation.rows(jobs)[0]
    assert state == "failed", "a server that dies is foreseen"
    assert code.startswith("connection.") or code.startswith("backup."), code
    assert installation.rows("Backup.objects.count()") == 0
    assert not list(installation.repository.rglob("seal.json"))
    assert_nowhere(installation, watch, str(installation.rows("[vars(j) for j in Job.objects.all()]")))
