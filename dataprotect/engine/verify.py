"""Verification: checksum (stored bytes), decode (every frame and file), restore (brought up and compared).

Damage is a result, not a failure: it is a check that did not pass and names the object. What keeps us
from looking at all (no key, no programs, no disk) is raised.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine import clones as clones_engine
from dataprotect.engine import command
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.databases.postgresql import binaries as programs
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.comparison import CloneAccess, compare
from dataprotect.engine.databases.postgresql.comparison_instant import checks_of_instant
from dataprotect.engine.databases.postgresql.fingerprint_model import Fingerprint
from dataprotect.engine.databases.postgresql.recovery_reached import Reached
from dataprotect.engine.databases.postgresql.stored_log import StoredLog
from dataprotect.engine.model import Check, Clone, Verification
from dataprotect.engine.timeline_model import Choice
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.model import Finding
from dataprotect.storage.repository import BackupReader, Repository

Level = Literal["checksum", "decode", "restore"]
LISTED = 100


def verify(
    level: Level,
    repository: Repository,
    instance_id: str,
    backup_id: str,
    *,
    reporter: Reporter | None = None,
    spool: Path | None = None,
    clones: Path | None = None,
    clone_user: str | None = None,
    binaries: Mapping[int, Path] | None = None,
    threads: int = 2,
    amcheck: bool = True,
    choice: Choice | None = None,
) -> Verification:
    """Verify one backup at `level`.

    spool       where decode keeps what does not fit into memory; the system's temporary folder when None
    clones      the folder of clones; needed at level restore
    clone_user  who runs a clone's server when we are root (postgres when None)
    binaries    the server's programs by major version, where the distribution's are not meant
    choice      at level restore: the target to recover to, from this backup, with the stored log
    Raises DamagedObject or `backup.missing` when the seal itself cannot be trusted, key errors,
    `storage.*`, and at level restore what `clones.bring_up` raises for a lack of programs, accounts or
    disk.
    """
    reporter = reporter or Silent()
    started_at, began = clock.now(), time.monotonic()
    reporter.phase("prepare")
    reader = repository.read(instance_id, backup_id)
    if level == "checksum":
        reporter.phase("checksum", reader.seal.stored_bytes)
        checks = _stored(reader, reader.verify_checksums(reporter))
    elif level == "decode":
        reporter.phase("decode", reader.seal.totals.bytes)
        checks = _decoded(reader, reader.verify_decode(threads, reporter, spool))
    else:
        if clones is None:
            raise ValueError("level restore needs the folder of clones")
        request = CloneRequest(
            instance_id, backup_id, clones, "verification", binaries or {}, clone_user or "postgres", threads,
            choice=choice,
        )  # fmt: skip
        return _restored(repository, reader, request, amcheck, reporter, started_at)
    return _verification(level, checks, began, started_at, reader.seal.stored_bytes)


def _stored(reader: BackupReader, findings: list[Finding]) -> list[Check]:
    objects = len(reader.seal.objects)
    return _checks("stored objects", f"{objects} objects with the sealed size and SHA-256", findings)


def _decoded(reader: BackupReader, findings: list[Finding]) -> list[Check]:
    totals = reader.seal.totals
    wanted = (
        f"{totals.files} files, {totals.blocks} blocks, {totals.bytes} bytes with the digests of the manifest"
    )
    return _checks("decoded contents", wanted, findings)


def _checks(name: str, wanted: str, findings: list[Finding]) -> list[Check]:
    if not findings:
        return [Check(name, True, wanted, "all of them")]
    listed = [Check(each.object_name, False, "as sealed", each.problem) for each in findings[:LISTED]]
    return [Check(name, False, wanted, f"{len(findings)} problems"), *listed]


def _restored(
    repository: Repository,
    reader: BackupReader,
    request: CloneRequest,
    amcheck: bool,
    reporter: Reporter,
    started_at: datetime,
) -> Verification:
    """Bring up, compare, drop: the clone and its files are gone when this returns or raises."""
    began = time.monotonic()
    clones_engine.sweep_clones(request.clones)
    try:
        clone = clones_engine.bring_up(repository, request, reporter)
    except (DamagedObject, ForeseenError) as error:
        if not _is_a_finding(error):
            raise
        check = Check("clone", False, "a server that recovers and answers", error.message)
        return _verification("restore", [check], began, started_at, reader.seal.totals.bytes)
    try:
        steps.reached("verify.clone_ready")
        compare_began = time.monotonic()
        checks = compare_clone(reader, clone, request, reporter, amcheck=amcheck)
        finished = time.monotonic()
        steps.reached("verify.compared")
    finally:
        cleanup_began = time.monotonic()
        clones_engine.drop(request.clones, clone.clone_id)
    timings = {
        **clone.timings, "compare": finished - compare_began, "cleanup": time.monotonic() - cleanup_began,
    }  # fmt: skip
    rto = sum(timings[part] for part in ("fetch", "recovery", "compare"))
    done = _verification("restore", checks, began, started_at, reader.seal.totals.bytes, timings, rto)
    return replace(done, bytes_replayed=_replayed(reader, clone))


def _replayed(reader: BackupReader, clone: Clone) -> int:
    start = lsn.parse(str(reader.seal.facts["start_position"]))
    return max(0, lsn.parse(clone.reached_position) - start)


def _is_a_finding(error: ForeseenError) -> bool:
    """What is wrong with the backup itself, rather than with the place it should have been tried in."""
    return isinstance(error, DamagedObject) or error.code in (
        "clone.not_started", "restore.tablespace_in_log", "restore.not_a_cluster", "restore.unsafe_path",
        "restore.incomplete", "storage.object_missing", "clone.wrong_target", "logs.missing",
        "target.not_reached", "target.too_early", "target.no_restore_point",
    )  # fmt: skip


def compare_clone(
    reader: BackupReader, clone: Clone, request: CloneRequest, reporter: Reporter, *, amcheck: bool = True
) -> list[Check]:
    """A clone that `request` brought up, held against the backup's fingerprint, or its instant against what
    was asked for. Raises ForeseenError when the clone does not answer.
    """
    facts = reader.seal.facts
    if request.choice is not None:
        return list(_of_instant(reader, clone, request.choice, request, amcheck, reporter))
    documents = reader.attachments()
    wanted = str(facts["fingerprint_position"])
    checks = [Check("recovery position", True, f"right before {wanted}", clone.reached_position)]
    if not documents.get("fingerprint"):
        missing = "the backup has none, so nothing could be compared"
        return [*checks, Check("fingerprint", False, "a fingerprint of the source", missing)]
    fingerprint = Fingerprint.from_json(documents["fingerprint"])
    account = command.unprivileged_account(request.account)
    log = StoredLog(
        binaries=programs.find(int(facts["server_major"]), request.binaries, account),
        account=account,
        folder=clone.data_directory / "pg_wal",
        timeline=int(facts["timeline"]),
        start=str(facts["start_position"]),
        end=fingerprint.position,
    )
    return [*checks, *compare(fingerprint, CloneAccess(clone.dsn, log, amcheck), reporter)]


def _of_instant(
    reader: BackupReader, clone: Clone, choice: Choice, request: CloneRequest, amcheck: bool,
    reporter: Reporter,
) -> Iterator[Check]:  # fmt: skip
    account = command.unprivileged_account(request.account)
    facts = reader.seal.facts
    log = StoredLog(
        binaries=programs.find(int(facts["server_major"]), request.binaries, account),
        account=account,
        folder=clone.data_directory / "pg_wal",
        timeline=int(facts["timeline"]),
        start=str(facts["start_position"]),
        end=str(facts["log_end_position"]),
    )
    reached = Reached(clone.reached_position, clone.reached_reason, clone.reached_at)
    return checks_of_instant(choice, reached, CloneAccess(clone.dsn, log, amcheck), reporter)


def _verification(
    level: Level,
    checks: list[Check],
    began: float,
    started_at: datetime,
    bytes_read: int,
    timings: Mapping[str, float] | None = None,
    rto: float | None = None,
) -> Verification:
    """Passed means: something was looked at, and nothing of it was wrong."""
    return Verification(
        level=level,
        passed=all(check.passed is not False for check in checks) and any(check.passed for check in checks),
        checks=tuple(checks),
        seconds=time.monotonic() - began,
        started_at=started_at,
        finished_at=clock.now(),
        rto_seconds=rto,
        timings=timings or {},
        bytes_read=bytes_read,
    )
