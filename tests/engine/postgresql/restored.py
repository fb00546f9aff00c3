"""A backup written back to disk by the plainest means, and started with the server's own binaries.

Deliberately not the product's restore: what a backup holds is judged by PostgreSQL alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import threading
from pathlib import Path

from dataprotect.storage.repository import FileEntry, Repository
from tests.servers.postgresql import PostgresServer, make_reachable, unprivileged_user


class TreeSink:
    """Writes `pgdata/…` to `folder/data` and `tablespaces/<oid>/…` to `folder/space<oid>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, FileEntry] = {}
        self._open: dict[int, int] = {}
        self._lock = threading.Lock()

    def place(self, path: str) -> Path:
        top, _, rest = path.partition("/")
        if top == "tablespaces":
            oid, _, rest = rest.partition("/")
            return self.folder / f"space{oid}" / rest
        return self.folder / {"pgdata": "data"}.get(top, top) / rest

    def begin(self, entry: FileEntry, number: int) -> None:
        self.entries[entry.path] = entry
        place = self.place(entry.path)
        if entry.kind == "directory":
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o700)
        elif entry.kind == "file":
            place.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._open[number] = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, entry.mode)

    def write(self, number: int, offset: int, data: memoryview) -> None:
        os.pwrite(self._open[number], data, offset)

    def end(self, number: int) -> None:
        with self._lock:
            descriptor = self._open.pop(number, None)
        if descriptor is not None:
            os.close(descriptor)


def restore(repository: Repository, instance_id: str, backup_id: str, like: PostgresServer, to: Path):
    """The backup on disk below `to`, not started yet: `(server, entries by path)`."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    sink = TreeSink(to)
    reader = repository.read(instance_id, backup_id)
    reader.copy_to(sink, 2)
    server = PostgresServer(like.bin, to, port=0, password=like.password)
    _map_tablespaces(server)
    _hand_over(to)
    return server, sink.entries


def start(server: PostgresServer) -> PostgresServer:
    """Recover along the log inside the backup, and open."""
    from tests.servers.postgresql import free_port

    server.port = free_port()
    with (server.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {server.port}\narchive_mode = off\nunix_socket_directories = '{server.folder}'\n")
    return server.start()


def _map_tablespaces(server: PostgresServer) -> None:
    """Where the old places are named, name the new ones: the map is what recovery makes the links from."""
    tablespace_map = server.data / "tablespace_map"
    if not tablespace_map.exists():
        return
    oids = [line.split(" ", 1)[0] for line in tablespace_map.read_text().splitlines()]
    tablespace_map.write_text("".join(f"{oid} {server.folder / f'space{oid}'}\n" for oid in oids))


def _hand_over(folder: Path) -> None:
    make_reachable(folder)
    if user := unprivileged_user():
        account = pwd.getpwnam(user)
        for top, directories, files in os.walk(folder):
            for name in [".", *directories, *files]:
                os.chown(Path(top) / name, account.pw_uid, account.pw_gid, follow_symlinks=False)
