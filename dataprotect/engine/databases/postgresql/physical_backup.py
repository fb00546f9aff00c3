"""One backup of a PostgreSQL server into a backup writer: the order in which everything has to happen.

Each type reads everything. What equals the backup it builds on is left out by the writer, page by page.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataprotect.core import clock, steps
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.base import Copied, Prepared
from dataprotect.engine.databases.postgresql import (
    bad_pages,
    configuration,
    fingerprint,
    lsn,
    server,
    server_record,
    timeline_history,
)
from dataprotect.engine.databases.postgresql.backup_mode import BackupMode
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen
from dataprotect.engine.databases.postgresql.fingerprint_model import Fingerprint, FingerprintOptions
from dataprotect.engine.databases.postgresql.intake import Intake
from dataprotect.engine.databases.postgresql.local_reader import LocalReader
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE
from dataprotect.engine.databases.postgresql.page_inspection import PageInspector
from dataprotect.engine.databases.postgresql.preflight import Details
from dataprotect.engine.databases.postgresql.replication import Replication
from dataprotect.engine.databases.postgresql.streamed_reader import StreamedReader
from dataprotect.engine.databases.postgresql.wal import WalReceiver
from dataprotect.engine.databases.postgresql.wal_intake import WalIntake
from dataprotect.engine.model import BackupRequest
from dataprotect.storage.model import PAGE

if TYPE_CHECKING:
    from dataprotect.storage.writer import BackupWriter


class PhysicalBackup:
    """`run` once. Backup mode and slot end with their connections, whatever happens."""

    def __init__(
        self, request: BackupRequest, prepared: Prepared, writer: BackupWriter, reporter: Reporter
    ) -> None:
        details: Details = prepared.details
        self._request, self._prepared, self._details = request, prepared, details
        self._writer, self._reporter = writer, reporter
        self._address = request.source.address
        self._label = f"dataprotect {request.backup_id}"
        self._base = prepared.base or {}
        since = lsn.parse(str(self._base["start_position"])) if self._base else 0
        self._intake = Intake(writer, reporter, since)

    def run(self) -> Copied:
        """Reserve the log, copy, take the fingerprint, store the log up to it."""
        facts = self._details.facts
        started_at = clock.now()
        receiver = WalReceiver(self._address, self._request.spool, facts.timeline, facts.wal_segment_size)
        try:
            steps.reached("backup.log_reserved")
            self._log = WalIntake(receiver, self._intake)
            read = self._local if self._details.directory else self._streamed
            start, stop = read()
            stopped_at = clock.now()
            steps.reached("backup.mode_ended")
            taken = self._fingerprint()
            self._reporter.phase("log")
            self._log.finish(lsn.parse(taken.end_position))
            steps.reached("backup.log_stored")
        finally:
            receiver.discard()
        return self._conclude(started_at, stopped_at, start, stop, taken)

    def _local(self) -> tuple[int, int]:
        assert self._details.directory is not None  # noqa: S101
        with BackupMode(self._address, self._label) as mode:
            self._reporter.phase("checkpoint")
            start = mode.start()
            steps.reached("backup.mode_started")
            self._begin(start, self._prepared.estimated_bytes)
            reader = LocalReader(
                self._details.directory, self._details.tablespaces,
                self._details.facts.version_directory, self._intake, self._inspector,
                self._paged,
            )  # fmt: skip
            reader.read()
            # Threads may still be reading: what they read after the end of backup mode could be torn for
            # good.
            self._intake.settle()
            steps.reached("backup.data_read")
            reader.read_control()
            self._intake.settle()
            stopped = mode.stop()
        self._intake.content("pgdata/backup_label", stopped.backup_label)
        if stopped.tablespace_map:
            self._intake.content("pgdata/tablespace_map", stopped.tablespace_map)
        return start, stopped.position

    def _streamed(self) -> tuple[int, int]:
        with Replication(self._address, "dataprotect backup", self._reporter.checkpoint) as replication:
            reader = StreamedReader(replication, self._label, self._paged)
            self._reporter.phase("checkpoint")
            started = reader.start()
            steps.reached("backup.mode_started")
            self._begin(started.position, started.estimated_bytes)
            stop = reader.read(started, self._intake, self._inspector)
            self._intake.settle()
            steps.reached("backup.data_read")
        return started.position, stop

    @property
    def _paged(self) -> bool:
        return self._details.facts.block_size == PAGE == PAGE_SIZE

    def _begin(self, start: int, expected_bytes: int) -> None:
        facts = self._details.facts
        self._inspector = PageInspector(
            enabled=facts.checksums and facts.block_size == PAGE_SIZE,
            start=start,
            blocks_per_segment=facts.blocks_per_segment,
            base_judged=bool(self._base.get("pages_judged")),
        )
        self._log.start(start)
        steps.reached("backup.log_following")
        self._reporter.phase("copy", expected_bytes)

    def _fingerprint(self) -> Fingerprint:
        self._reporter.checkpoint()
        options = FingerprintOptions(
            exact_count_bytes=self._request.exact_count_bytes,
            maintenance_database=self._address.database,
        )
        with foreseen(self._address, "taking the fingerprint"):
            taken = fingerprint.capture(self._enter, options, self._reporter)
        steps.reached("backup.fingerprint_taken")
        return taken

    def _enter(self, database: str) -> Connection:
        return connect(self._address, database=database, application="dataprotect fingerprint")

    def _conclude(
        self, started_at: datetime, stopped_at: datetime, start: int, stop: int, taken: Fingerprint
    ) -> Copied:
        self._writer.attach("fingerprint", taken.as_json())
        with (
            connect(self._address, statement_timeout=60) as connection,
            foreseen(self._address, "recording the server"),
        ):
            spaces = server.tablespaces(connection)
            self._writer.attach(
                "server", server_record.record(self._address, connection, self._details.facts, spaces)
            )
            configuration.store(connection, self._intake, self._details.directory is not None)
            self._inspector.conclude(stop)
            unread = bad_pages.second_look(connection, self._inspector)
        damaged = bad_pages.describe(self._address, self._inspector.damaged)
        judged = self._details.facts.checksums and not (damaged or unread or self._inspector.uncounted)
        warnings = tuple(self._warnings(spaces, damaged, bad_pages.describe(self._address, unread)))
        self._writer.attach("findings", {"bad_pages": damaged, "warnings": warnings})
        return Copied(
            files=self._intake.files,
            bytes_read=self._intake.bytes,
            started_at=started_at,
            stopped_at=stopped_at,
            start_position=lsn.text(start),
            stop_position=lsn.text(stop),
            fingerprint_position=taken.position,
            timeline=self._details.facts.timeline,
            facts=self._facts(started_at, stopped_at, start, stop, taken)
            | {"bad_pages": len(damaged), "pages_judged": judged},
            bad_pages=damaged,
            warnings=warnings,
        )

    def _facts(
        self, started_at: datetime, stopped_at: datetime, start: int, stop: int, taken: Fingerprint
    ) -> dict[str, Any]:
        facts = self._details.facts
        return {
            "engine": "postgresql",
            "system_identifier": facts.system_identifier,
            "timeline": facts.timeline,
            timeline_history.FACT: timeline_history.as_fact(self._details.history),
            "start_position": lsn.text(start),
            "stop_position": lsn.text(stop),
            "fingerprint_position": taken.position,
            "log_end_position": taken.end_position,
            "server_version": facts.version,
            "server_version_number": facts.version_number,
            "server_major": facts.major,
            "checksums": facts.checksums,
            "block_size": facts.block_size,
            "wal_segment_size": facts.wal_segment_size,
            "reader": self._prepared.reader,
            "started_at": clock.iso(started_at),
            "stopped_at": clock.iso(stopped_at),
            "files": self._intake.files,
            "bytes_read": self._intake.bytes,
        }

    def _warnings(
        self, spaces: Iterable[server.Tablespace], damaged: tuple[str, ...], unread: tuple[str, ...]
    ) -> Iterable[str]:
        yield from self._intake.warnings
        known = {space.oid for space in self._details.tablespaces}
        for space in spaces:
            if space.oid not in known:
                yield (
                    f"The tablespace {space.name} was created while the backup ran; "
                    "a restore of this backup needs its folder made by hand."
                )
        if damaged:
            yield f"{len(damaged)} damaged pages were found in the source: {', '.join(damaged[:5])}."
        if self._inspector.uncounted:
            yield f"{self._inspector.uncounted} more damaged or suspect pages were found than are listed."
        if unread:
            yield (
                f"{len(unread)} pages looked damaged in the stream and could not be read a second time "
                f"(the user may not execute pg_read_binary_file): {', '.join(unread[:5])}."
            )
