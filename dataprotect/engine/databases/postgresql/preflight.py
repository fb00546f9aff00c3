"""Everything that can refuse a backup of a PostgreSQL server before a byte is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.base import Prepared
from dataprotect.engine.databases.postgresql import local_access, server, timeline_history
from dataprotect.engine.databases.postgresql.connection import connect, foreseen
from dataprotect.engine.databases.postgresql.connection_errors import where
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE
from dataprotect.engine.model import BackupRequest


@dataclass(frozen=True, slots=True)
class Details:
    """What `copy` goes on with. `directory` is set for the local reader only."""

    facts: server.Server
    rights: server.Rights
    tablespaces: tuple[server.Tablespace, ...]
    directory: Path | None
    position: str
    history: timeline_history.History


def prepare(request: BackupRequest) -> Prepared:
    """Look at the server and choose the reader. Raises ForeseenError for what forbids a backup."""
    address = request.source.address
    with connect(address, statement_timeout=60) as connection, foreseen(address, "preparing the backup"):
        facts = server.facts(connection)
        rights = server.rights(connection)
        _refuse(request, facts, rights)
        access = local_access.look(request.source.data_directory, facts)
        reader, reason = _choose(request, rights, access)
        return Prepared(
            identity=facts.system_identifier,
            estimated_bytes=server.total_size(connection),
            reader=reader,
            reader_reason=reason,
            server_version=facts.version,
            warnings=tuple(_warnings(facts, reader)),
            details=Details(
                facts,
                rights,
                server.tablespaces(connection),
                access.directory if reader == "local" else None,
                server.current_position(connection, facts.in_recovery),
                timeline_history.ask(address, facts.timeline),
            ),
        )


def _refuse(request: BackupRequest, facts: server.Server, rights: server.Rights) -> None:
    at, user = where(request.source.address), request.source.address.user
    if facts.in_recovery:
        raise ForeseenError(
            "postgresql.standby",
            f"The server at {at} is a standby.",
            "Enter the primary's address: backups are taken from the primary.",
        )
    if facts.wal_level == "minimal":
        raise ForeseenError(
            "postgresql.wal_level",
            f"The server at {at} runs with wal_level = minimal, which allows no online backup.",
            "Set wal_level = replica and restart the server.",
        )
    if not rights.replication:
        raise ForeseenError(
            "postgresql.no_replication_right",
            f"The user {user} at {at} may not start a replication connection.",
            f"Grant it with `ALTER ROLE {user} REPLICATION`.",
        )


def _choose(
    request: BackupRequest, rights: server.Rights, access: local_access.LocalAccess
) -> tuple[Literal["local", "streamed"], str]:
    if request.reader == "streamed":
        return "streamed", "The streamed reader was asked for."
    problem = None
    if access.directory is None:
        problem = access.reason
    elif not rights.backup_mode:
        problem = (
            f"The user {request.source.address.user} may not execute pg_backup_start and pg_backup_stop."
        )
    if problem is None:
        return "local", access.reason
    if request.reader == "local":
        raise ForeseenError(
            "backup.local_unavailable",
            f"The local reader cannot be used: {problem}",
            "Correct that, or choose the reader auto or streamed.",
        )
    return "streamed", problem


def _warnings(facts: server.Server, reader: str) -> list[str]:
    if not facts.checksums:
        return [
            "The cluster has no data checksums: damaged pages could not be recognised while they were read."
        ]
    if reader == "local" and facts.block_size != PAGE_SIZE:
        return [
            f"Pages are {facts.block_size} bytes; checksums are only checked for {PAGE_SIZE}, so none were."
        ]
    return []
