"""A server whose log the product's own receiver streams into a repository, and clones of its instants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dataprotect.engine import clones
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.logs import FoundGap, LogRequest, LogStatus, log_stream
from dataprotect.engine.model import Clone, Source
from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline_clock import MARGIN
from dataprotect.engine.timeline_model import Choice, Target
from dataprotect.storage.logs import LogWriter, Shipped
from tests.engine.postgresql.conftest import INSTANCE, Bench, address_of
from tests.servers.postgresql import PostgresServer


class Listener:
    """Remembers how far the repository holds the log."""

    def __init__(self) -> None:
        self.stored, self.timeline, self.gaps = 0, 0, []

    def started(self, **_: object) -> None: ...

    def shipped(self, shipped: Shipped) -> None:
        self.stored, self.timeline = shipped.end, shipped.timeline

    def history(self, timeline: int, content: bytes, lineage: str) -> None: ...

    def status(self, status: LogStatus) -> None: ...

    def gap(self, gap: FoundGap) -> None:
        self.gaps.append(gap)

    def base_needed(self, reason: str) -> None: ...


@dataclass
class Streamed:
    """`settle` waits until all that the server has committed by then can be restored."""

    server: PostgresServer
    bench: Bench
    listener: Listener = field(default_factory=Listener)

    def settle(self, seconds: float = 60) -> None:
        """A window ends a margin before the newest stored heartbeat: wait for one that lies beyond it."""
        with self.server.connect() as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        deadline = time.monotonic() + seconds
        while self._newest_beat() < row[0] + MARGIN:
            assert time.monotonic() < deadline, "the log was not shipped with a heartbeat behind it"
            time.sleep(0.2)

    def _newest_beat(self) -> datetime:
        known = StoredTimeline(self.bench.repository, INSTANCE).sample()
        return max((beat.at for beat in known.beats), default=datetime(1, 1, 1, tzinfo=UTC))

    def choose(self, target: Target) -> Choice:
        return StoredTimeline(self.bench.repository, INSTANCE).choose(target)

    def bring_up(self, choice: Choice, **changes: object) -> Clone:
        request = CloneRequest(
            INSTANCE, choice.base.backup_id, self.clones, binaries={self.server.major: self.server.bin},
            choice=choice, **changes,
        )  # type: ignore[arg-type] # fmt: skip
        return clones.bring_up(self.bench.repository, request)

    @contextmanager
    def clone(self, target: Target | Choice) -> Iterator[Clone]:
        made = self.bring_up(target if isinstance(target, Choice) else self.choose(target))
        try:
            yield made
        finally:
            clones.drop(self.clones, made.clone_id)

    @property
    def clones(self) -> Path:
        return self.bench.folder / "clones"


@contextmanager
def streaming(server: PostgresServer, bench: Bench) -> Iterator[Streamed]:
    """Heartbeats and slices every second while it lasts."""
    bench.folder.chmod(0o711)
    made = Streamed(server, bench)
    request = LogRequest(
        Source(INSTANCE, "pitr", address_of(server)), "", bench.spool, slice_seconds=1, heartbeat_seconds=1
    )

    def open_writer(system: str, size: int, went_back: bool) -> LogWriter:
        bench.repository.claim_instance(INSTANCE, system)
        return LogWriter.open(
            bench.repository, INSTANCE, system_identifier=system, segment_size=size, went_back=went_back
        )

    stop, failed = threading.Event(), []

    def run() -> None:
        try:
            log_stream("postgresql", request, open_writer, made.listener).run(stop)
        except BaseException as error:  # noqa: BLE001  shown by the test
            failed.append(error)

    thread = threading.Thread(target=run, name="test stream")
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()
    assert not failed, failed
