"""PostgreSQL, as the engine interface wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.base import Capabilities, Copied, Prepared
from dataprotect.engine.databases.postgresql import base_check, preflight, probe
from dataprotect.engine.databases.postgresql.physical_backup import PhysicalBackup
from dataprotect.engine.model import Address, BackupRequest, DatabaseInfo, Probe, Source

if TYPE_CHECKING:
    from dataprotect.storage.writer import BackupWriter


class PostgresEngine:
    """PostgreSQL 15 and later: physical backups by either reader."""

    name = "postgresql"
    capabilities = Capabilities(
        physical=True, readers=("local", "streamed"), page_checksums=True, clones=True
    )

    def probe(self, source: Source) -> Probe:
        return probe.probe(source)

    def databases(self, address: Address) -> tuple[DatabaseInfo, ...]:
        return probe.databases(address)

    def prepare(self, request: BackupRequest) -> Prepared:
        return preflight.prepare(request)

    def base_problem(self, request: BackupRequest, prepared: Prepared, base: Mapping[str, Any]) -> str | None:
        return base_check.problem(request, prepared, base)

    def copy(
        self, request: BackupRequest, prepared: Prepared, writer: BackupWriter, reporter: Reporter
    ) -> Copied:
        return PhysicalBackup(request, prepared, writer, reporter).run()
