"""Log segments on their way from the receiver into the backup."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.intake import Intake
from dataprotect.engine.databases.postgresql.local_reader import SharedFile
from dataprotect.engine.databases.postgresql.wal import WalReceiver
from dataprotect.engine.databases.postgresql.wal_protocol import Segment
from dataprotect.storage.model import BLOCK, Piece

_FOLDER = "pgdata/pg_wal"


class WalIntake:
    """Passes segments on while the copy runs, so that the spool stays small. Used by the copying thread."""

    def __init__(self, receiver: WalReceiver, intake: Intake) -> None:
        self._receiver, self._intake = receiver, intake
        self._busy = False

    def start(self, position: int) -> None:
        """Store the timeline's history, begin to receive, and take segments between the chunks of the
        copy.
        """
        history = self._receiver.history()
        if history is not None:
            self._intake.content(f"{_FOLDER}/{history[0]}", history[1])
        self._receiver.start(position)
        self._intake.between = self._between

    def finish(self, position: int) -> None:
        """Receive up to `position` and store what is left."""
        self._take(self._receiver.finish(position, self._intake.reporter.checkpoint))

    def _between(self) -> None:
        if not self._busy:
            self._take(self._receiver.taken())

    def _take(self, segments: Iterable[Segment]) -> None:
        self._busy = True  # storing a segment submits chunks, and between them nothing else is to be taken
        try:
            for segment in segments:
                self._store(segment)
        finally:
            self._busy = False

    def _store(self, segment: Segment) -> None:
        number = self._intake.file(f"{_FOLDER}/{segment.name}", 0o600, 0, segment.size)
        file = SharedFile(segment.descriptor, segment.size // BLOCK, partial(_unreadable, segment.name))
        for offset in range(0, segment.size, BLOCK):
            self._intake.submit([Piece(number, offset, BLOCK)], partial(self._read, file, offset))
        # The server must not archive again what it archived before (pg_basebackup does the same).
        self._intake.content(f"{_FOLDER}/archive_status/{segment.name}.done", b"")

    def _read(self, file: SharedFile, offset: int, buffer: memoryview) -> None:
        try:
            file.read(buffer, offset)
        finally:
            file.done()


def _unreadable(name: str, error: OSError) -> ForeseenError:
    return ForeseenError(
        "backup.spool",
        f"The log segment {name} could not be read back from the spool ({os.strerror(error.errno or 0)}).",
        "Check the disk that holds the spool, then run the backup again.",
    )
