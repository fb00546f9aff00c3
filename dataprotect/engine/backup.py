"""Taking a backup: the part that is the same for every engine. Nothing counts until the seal is written."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.identifiers import new_backup_id
from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine import databases
from dataprotect.engine.base_choice import Choice, choose
from dataprotect.engine.databases.base import Copied, Engine, Prepared
from dataprotect.engine.model import BackupRequest, BackupResult, Source

if TYPE_CHECKING:
    from dataprotect.storage.repository import Repository
    from dataprotect.storage.writer import BackupWriter

_BEST_RATIO = 10
"""No compression is hoped to do better when the repository's free space is judged beforehand."""


def take_backup(
    request: BackupRequest,
    repository: Repository,
    reporter: Reporter | None = None,
    *,
    engine: str = "postgresql",
) -> BackupResult:
    """Take one backup and seal it. On any failure nothing is sealed, and the source is left as it was
    found.

    A differential or incremental backup that has nothing to build on becomes a full; the result says so,
    and why.
    """
    reporter = reporter or Silent()
    began = time.monotonic()
    chosen = databases.get(engine)
    reporter.phase("prepare")
    prepared = _prepare(chosen, request, repository)
    reporter.note(prepared.reader_reason)
    reporter.checkpoint()
    steps.reached("backup.prepared")
    choice = choose(chosen, request, prepared, repository)
    if choice.base is None:
        _refuse_without_room(request, prepared, repository)
    steps.reached("backup.base_chosen")
    if choice.reason:
        reporter.note(choice.reason)
    request = replace(request, backup_id=request.backup_id or _name(request, choice), type=choice.type)
    prepared = replace(prepared, base=choice.facts)
    try:
        writer = _begin(request, choice, repository, reporter)
        steps.reached("backup.begun")
        copied, stored = _write(chosen, request, prepared, writer, choice.base_id, reporter)
        steps.reached("backup.sealed")
    finally:
        if choice.base is not None:
            choice.base.close()
    return _result(request, prepared, choice, copied, stored, time.monotonic() - began)


def _name(request: BackupRequest, choice: Choice) -> str:
    return new_backup_id(request.source.name, choice.type, clock.now())


def _begin(
    request: BackupRequest, choice: Choice, repository: Repository, reporter: Reporter
) -> BackupWriter:
    return repository.begin(
        request.source.instance_id,
        request.backup_id,
        type=choice.type,
        base=choice.base,
        threads=request.threads,
        level=request.compression_level,
        spool=request.spool,
        reporter=reporter,
    )


def _prepare(engine: Engine, request: BackupRequest, repository: Repository) -> Prepared:
    prepared = engine.prepare(request)
    repository.claim_instance(request.source.instance_id, prepared.identity)
    return prepared


def _refuse_without_room(request: BackupRequest, prepared: Prepared, repository: Repository) -> None:
    """Only a full can be judged beforehand: nobody knows yet how much has changed since the last one."""
    free = repository.free_bytes()
    if free is not None and free < prepared.estimated_bytes // _BEST_RATIO:
        raise ForeseenError(
            "backup.no_room",
            f"The repository has {free / 1e9:.1f} GB free, and {request.source.name} holds "
            f"{prepared.estimated_bytes / 1e9:.1f} GB: not even a tenth of it would fit.",
            "Free space or expire backups in this repository, or choose another one.",
        )


def _write(
    engine: Engine,
    request: BackupRequest,
    prepared: Prepared,
    writer: BackupWriter,
    base_id: str,
    reporter: Reporter,
) -> tuple[Copied, int]:
    try:
        writer.attach("instance", _registration(engine, request.source))
        copied = engine.copy(request, prepared, writer, reporter)
        reporter.phase("seal")
        reporter.checkpoint()
        steps.reached("backup.copied")
        seal = writer.finish(facts={**copied.facts, "base_backup_id": base_id})
    except BaseException:
        writer.abort()
        raise
    return copied, seal.stored_bytes


def _registration(engine: Engine, source: Source) -> dict[str, Any]:
    """How the instance is registered, so that a lost catalog is rebuilt from the repository; no password."""
    address = source.address
    return {
        "name": source.name,
        "engine": engine.name,
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "database": address.database,
        "data_directory": str(source.data_directory or ""),
        "tls_mode": address.tls.mode,
        "tls_ca_file": str(address.tls.ca_file or ""),
        "tls_certificate_file": str(address.tls.certificate_file or ""),
        "tls_key_file": str(address.tls.key_file or ""),
        "labels": dict(source.labels),
    }


def _result(
    request: BackupRequest, prepared: Prepared, choice: Choice, copied: Copied, stored: int, seconds: float
) -> BackupResult:
    return BackupResult(
        backup_id=request.backup_id,
        type=request.type,
        reader=prepared.reader,
        reader_reason=prepared.reader_reason,
        files=copied.files,
        bytes_read=copied.bytes_read,
        bytes_stored=stored,
        seconds=seconds,
        started_at=copied.started_at,
        stopped_at=copied.stopped_at,
        start_position=copied.start_position,
        stop_position=copied.stop_position,
        timeline=copied.timeline,
        system_identifier=prepared.identity,
        server_version=prepared.server_version,
        peak_memory=peak_memory(),
        fingerprint_position=copied.fingerprint_position,
        base_id=choice.base_id,
        type_reason=choice.reason,
        bad_pages=copied.bad_pages,
        warnings=tuple(filter(None, (choice.reason, *prepared.warnings, *copied.warnings))),
    )


def peak_memory() -> int:
    """The most memory this process has held at once, bytes (VmHWM; unlike ru_maxrss not inherited over
    exec).
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
