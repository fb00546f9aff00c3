"""Fixtures every test may use: real servers on loopback in a temporary folder, and a fresh home.

| fixture | what it is |
|---|---|
| `workdir` | the folder of this test run; the servers' user can walk into it |
| `postgres15`, `postgres17` | one running server each per test run, checksums on: leave them as they were |
| `postgres` | the test runs on both of them |
| `make_postgres` | a server of your own, to break: `make_postgres(version=17, checksums=False)` |
| `redis_url` | one running Redis per test run |
| `warm_python` | runs commands in processes of their own that need not import the libraries first |
| `home` | a fresh DATAPROTECT_HOME, in the environment and so in every child process |
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.catalog.installation import Installation
from tests.database import empties_the_database, keep, put_back
from tests.isolation import OutsideWorld, SocketGuard
from tests.servers.postgresql import DEBIAN_15, PostgresServer, binaries_17
from tests.servers.redis import RedisServer
from tests.settings import WORKDIR
from tests.warm import WarmPython, warm_python

# A machine with other work to do is no reason to fail: what an example costs says nothing about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

pytest_plugins = ["tests.audit_flush"]
MakePostgres = Callable[..., PostgresServer]
_guard = SocketGuard()
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    _guard.install()
    if hasattr(config, "workerinput"):  # what xdist hands out lies on the disk
        config.option.basetemp = WORKDIR / "pytest"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: two workers that take file after file then end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """After all fixtures of the test: no test depends on which one ran before it in the same worker."""
    result = yield
    if nextitem is not None and empties_the_database(item):
        put_back(item.config)
    return result


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker, workdir: Path
) -> None:
    """The database of the test run, and what is in it when it is new."""
    with django_db_blocker.unblock():
        keep(request.config, workdir / "migrated.sqlite3")


@pytest.fixture(scope="session")
def migrated_database(django_db_setup: None, workdir: Path) -> Path:
    """What `migrate` makes of a fresh home, to be copied into one: making it takes seconds."""
    file = workdir / "migrated.sqlite3"
    if not file.exists():  # none of the tests that were chosen uses the database, so there is none
        place = workdir / "migrated"
        place.mkdir(mode=0o700)
        Installation(place).migrate()
        shutil.move(place / "db.sqlite3", file)
    return file


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fails the test that tried to leave loopback, even when its code swallowed the refusal."""
    _guard.attempts.clear()
    yield
    if _guard.attempts:
        attempts, _guard.attempts = _guard.attempts, []
        raise OutsideWorld(f"the test tried to connect to {', '.join(sorted(set(attempts)))}")


@pytest.fixture(scope="session")
def workdir() -> Path:
    return WORKDIR


@pytest.fixture(scope="session")
def postgres_binaries(workdir: Path) -> Callable[[int], Path]:
    """The folder of a major version's programs; 17's are copied once per test run."""

    def binaries(version: int) -> Path:
        return DEBIAN_15 if version == 15 else binaries_17(workdir)

    return binaries


def _session_server(binaries: Path, folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(binaries, folder).create()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres15(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[PostgresServer]:
    yield from _session_server(postgres_binaries(15), workdir / "postgres15")


@pytest.fixture(scope="session")
def postgres17(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[PostgresServer]:
    yield from _session_server(postgres_binaries(17), workdir / "postgres17")


@pytest.fixture(params=["postgres15", "postgres17"])
def postgres(request: pytest.FixtureRequest) -> PostgresServer:
    server: PostgresServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def make_postgres(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[MakePostgres]:
    """`make(version=15, start=True, checksums=True, settings={…}) -> PostgresServer`; gone after the test."""
    made: list[PostgresServer] = []

    def make(*, version: int = 15, start: bool = True, **kwargs: object) -> PostgresServer:
        folder = workdir / f"server{next(_numbers)}"
        server = PostgresServer(postgres_binaries(version), folder, **kwargs)  # type: ignore[arg-type]
        made.append(server.create())
        return server.start() if start else server

    yield make
    for server in made:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url(workdir: Path) -> Iterator[str]:
    server = RedisServer(workdir / "redis").start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session", name="warm_python")
def warm_python_of_this_process() -> WarmPython:
    return warm_python()


@pytest.fixture
def home(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh, empty DATAPROTECT_HOME that the servers' user can walk through (clones live below it)."""
    place = workdir / f"home{next(_numbers)}"
    place.mkdir(mode=0o711)
    monkeypatch.setenv("DATAPROTECT_HOME", str(place))
    yield place
    shutil.rmtree(place, ignore_errors=True)
