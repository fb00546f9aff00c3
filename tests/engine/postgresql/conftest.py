"""A repository, a way to back a server up into it, and the restored server."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataprotect.core import steps
from dataprotect.core.progress import Reporter
from dataprotect.core.secrets import Secret
from dataprotect.engine.backup import take_backup
from dataprotect.engine.model import Address, BackupRequest, BackupResult, Reader, Source
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import FileEntry, Repository
from tests.engine.postgresql import restored
from tests.servers.postgresql import PostgresServer

_numbers = itertools.count(1)
INSTANCE = "instance-1"


def address_of(server: PostgresServer, **changes: object) -> Address:
    values = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "postgres",
        "password": Secret(server.password),
    }
    return Address(**(values | changes))  # type: ignore[arg-type]


class Bench:
    """One repository and everything a test does with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.spool.mkdir(parents=True)
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.repository = Repository.initialise(
            str(folder / "repository"), LocalKeyring.create(self.keys / "keys.json")
        )
        self.servers: list[PostgresServer] = []

    def request(
        self, server: PostgresServer, reader: Reader = "auto", backup_id: str = "", **changes: object
    ) -> BackupRequest:
        source = Source(INSTANCE, "bench", address_of(server))
        return BackupRequest(
            source, backup_id or f"backup-{next(_numbers)}", reader=reader, spool=self.spool, **changes
        )  # type: ignore[arg-type]

    def back_up(
        self,
        server: PostgresServer,
        reader: Reader = "auto",
        backup_id: str = "",
        reporter: Reporter | None = None,
    ) -> BackupResult:
        return take_backup(self.request(server, reader, backup_id), self.repository, reporter)

    def restore(
        self, result: BackupResult, like: PostgresServer
    ) -> tuple[PostgresServer, dict[str, FileEntry]]:
        """The backup on disk, not started."""
        to = self.folder / f"restored{next(_numbers)}"
        server, entries = restored.restore(self.repository, INSTANCE, result.backup_id, like, to)
        self.servers.append(server)
        return server, entries

    def bring_up(self, result: BackupResult, like: PostgresServer) -> PostgresServer:
        return restored.start(self.restore(result, like)[0])

    def sealed(self) -> list[str]:
        return [seal.backup_id for seal in self.repository.seals(INSTANCE)]

    def close(self) -> None:
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def bench(workdir: Path) -> Iterator[Bench]:
    made = Bench(workdir / f"bench{next(_numbers)}")
    yield made
    made.close()


@pytest.fixture
def on_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """`on_step(name, action)`: do `action` the first time the step `name` is reached."""

    def install(name: str, action: Callable[[], None]) -> None:
        waiting = [action]

        def hook(reached: str) -> None:
            if reached == name and waiting:
                waiting.pop()()

        monkeypatch.setattr(steps, "hook", hook)

    return install


@pytest.fixture(params=["local", "streamed"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return request.param  # type: ignore[no-any-return]
