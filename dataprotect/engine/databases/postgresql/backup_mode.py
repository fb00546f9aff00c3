"""`pg_backup_start` and `pg_backup_stop` in one session, which is what keeps the server in backup mode."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.connection import connect, foreseen
from dataprotect.engine.model import Address


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of backup mode: its position and the two files that belong into the backup."""

    position: int
    backup_label: bytes
    tablespace_map: bytes


class BackupMode:
    """A context: leaving it ends backup mode whatever happened, because the session ends."""

    def __init__(self, address: Address, label: str) -> None:
        self._address, self._label = address, label
        self._connection = connect(address, application="dataprotect backup")

    def __enter__(self) -> BackupMode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def start(self) -> int:
        """Checkpoint at once, enter backup mode, and return the position recovery has to start from."""
        with foreseen(self._address, "starting backup mode"):
            row = self._connection.execute(
                "SELECT pg_backup_start(%s, true)::text", (self._label,)
            ).fetchone()
        return lsn.parse(row[0] if row else "")

    def confirm(self) -> None:
        """Raise when the session, and with it backup mode, is gone: what was read since would be
        worthless.
        """
        with foreseen(self._address, "keeping the server in backup mode"):
            self._connection.execute("SELECT 1")

    def stop(self) -> Stopped:
        """Leave backup mode without waiting for an archive: the log of the backup is stored with it."""
        with foreseen(self._address, "ending backup mode"):
            row = self._connection.execute(
                "SELECT lsn::text, labelfile, spcmapfile FROM pg_backup_stop(false)"
            ).fetchone()
        position, label, spaces = row or ("", "", "")
        return Stopped(lsn.parse(position), label.encode(), spaces.encode())
