"""How fast log is replayed: fetched from the repository ahead of the server, against plain files and `cp`.

Both ways start from the same
base, in the same kind of clone, on the same log; what differs is restore_command alone. So a ratio of one
says that replay is bound by the server's redo, and not by fetching, decrypting and decompressing.
"""

from __future__ import annotations

import shlex
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataprotect.core.progress import Silent
from dataprotect.core.secrets import Secret
from dataprotect.engine import clones
from dataprotect.engine.backup import take_backup
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.model import Address, BackupRequest, Source
from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline_model import LATEST, Choice
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.logs import LogWriter
from dataprotect.storage.repository import Repository
from tests.bench.cluster import SETTINGS, checkpoint, pgbench
from tests.servers.postgresql import DEBIAN_15, PostgresServer, make_reachable, unprivileged_user

INSTANCE, SEGMENT = "bench", 16 << 20


@dataclass(frozen=True)
class Plain:
    """Stands where the fetcher stands: complete segments in a folder, and `cp`."""

    archive: Path

    @property
    def restore_command(self) -> str:
        return f'cp {shlex.quote(str(self.archive))}/%f "%p"'

    def start(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


def measure(folder: Path, seconds: int, runs: int, scale: int) -> dict[str, Any]:
    """Bytes of log replayed per second by either way, the medians of `runs` turns, and their ratio: our
    time as a multiple of that with plain files. `seconds` of load on a database of `scale`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make_reachable(folder)
    folder.chmod(0o711)
    archive = _own(folder / "archive")
    server = PostgresServer(
        DEBIAN_15, folder / "source",
        settings=SETTINGS | {"archive_mode": "on", "archive_command": f"'cp %p {archive}/%f'"},
    ).create().start()  # fmt: skip
    try:
        repository, written = _protect(server, folder, archive, seconds, scale)
    finally:
        server.stop()
    choice = StoredTimeline(repository, INSTANCE).choose(LATEST)
    times: dict[str, list[float]] = {"dataprotect": [], "plain files and cp": []}
    for number in range(runs):
        ways = {"dataprotect": None, "plain files and cp": Plain(archive)}
        for name in sorted(ways, reverse=bool(number % 2)):
            times[name].append(_replay(repository, folder, choice, ways[name]))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "log_bytes": written,
        "seconds": times,
        "bytes_per_second": {name: round(written / value) for name, value in medians.items()},
        "ratio": round(medians["dataprotect"] / medians["plain files and cp"], 3),
    }


def _protect(
    server: PostgresServer, folder: Path, archive: Path, seconds: int, scale: int
) -> tuple[Repository, int]:
    """A base, then load; every segment archived plainly is shipped too. Returns the bytes to be replayed."""
    repository = Repository.initialise(
        (folder / "repository").as_uri(), LocalKeyring.create(folder / "keys" / "keys.json")
    )
    pgbench(server, "-i", "-q", "-s", str(scale))
    address = Address("127.0.0.1", server.port, "postgres", Secret(server.password))
    spool = folder / "spool"
    spool.mkdir()
    take_backup(BackupRequest(Source(INSTANCE, "bench", address), "base", spool=spool), repository, Silent())
    before = set(_segments(archive))
    pgbench(server, "-c", "4", "-j", "2", "-T", str(seconds), "-N")
    with server.connect() as connection:
        connection.execute("SELECT pg_switch_wal()")
    checkpoint(server)
    server.stop("fast")
    system = str(repository.owner(INSTANCE))
    writer = LogWriter.open(repository, INSTANCE, system_identifier=system, segment_size=SEGMENT)
    for name in _segments(archive):
        data = (archive / name).read_bytes()
        writer.ship_segment(name, lambda at, size, data=data: data[at : at + size])  # type: ignore[misc]
    return repository, len(set(_segments(archive)) - before) * SEGMENT


def _replay(repository: Repository, folder: Path, choice: Choice, plain: Plain | None = None) -> float:
    """Seconds from the start of the clone's server to its promotion."""
    request = CloneRequest(INSTANCE, "base", folder / "clones", "verification", choice=choice)
    made_by_product = clones._fetcher
    if plain is not None:
        clones._fetcher = lambda *_: plain  # type: ignore[assignment]
    try:
        made = clones.bring_up(repository, request)
    finally:
        clones._fetcher = made_by_product
    clones.drop(folder / "clones", made.clone_id)
    return made.timings["recovery"]


def _segments(archive: Path) -> list[str]:
    return sorted(each.name for each in archive.iterdir() if len(each.name) == 24)


def _own(folder: Path) -> Path:
    folder.mkdir()
    if user := unprivileged_user():
        shutil.chown(folder, user, user)
    return folder
