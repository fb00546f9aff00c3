"""Restore a backup into a folder: a data directory that the server's own binaries start.

Everything that can be refused is refused before a byte is written. While the copy is incomplete the folder
holds a marker and lacks `global/pg_control`, without which no server starts; both change only after
everything is durable.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import command
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import binaries, recovery, restored_layout
from dataprotect.engine.databases.postgresql.log_fetch import place_log
from dataprotect.engine.databases.postgresql.recovery import END_OF_LOG, RecoveryTarget, chosen
from dataprotect.engine.databases.postgresql.recovery_plan import LogPlan, log_plan
from dataprotect.engine.databases.postgresql.restored_layout import (
    Layout,
    Survey,
    refuse_unknown_tablespaces,
)
from dataprotect.engine.databases.postgresql.stored_log import StoredLog, refuse_new_tablespaces
from dataprotect.engine.restore_target import check_space, check_targets
from dataprotect.engine.stop_watch import watchful
from dataprotect.engine.timeline_model import Choice
from dataprotect.engine.tree import TreeSink, sync_folder, told
from dataprotect.storage.logs import LogReader
from dataprotect.storage.repository import BackupReader, Repository

_RAW: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
MARKER = "dataprotect-restore-incomplete"
_MARKER_TEXT = (
    b"This folder is being restored, or its restore was interrupted. It is not a complete copy: delete it.\n"
)
_CARRIED_SETTINGS = (
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
    "max_locks_per_transaction", "shared_preload_libraries",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """target: a folder that is empty or not there yet. tablespace_map: an empty folder by name or oid.

    owner: the user who will run the server, used when we are root. binaries: folder of the server's
    programs by major version, where the distribution's are not meant.
    """

    instance_id: str
    backup_id: str
    target: Path
    tablespace_map: Mapping[str, Path] = field(default_factory=dict)
    owner: str = "postgres"
    threads: int = 2
    recovery_target: RecoveryTarget = END_OF_LOG
    binaries: Mapping[int, Path] = field(default_factory=dict)
    choice: Choice | None = None
    """A target reached with the stored log; it goes before `recovery_target`."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """`bytes` and `files` as written; `notes` are sentences for the person who goes on from here."""

    backup_id: str
    target: Path
    tablespaces: Mapping[str, str]
    files: int
    bytes: int
    seconds: float
    server_major: int
    notes: tuple[str, ...]


def restore_files(
    repository: Repository, request: RestoreRequest, reporter: Reporter | None = None
) -> RestoreResult:
    """Write the data directory of a backup into `request.target`.

    Raises ForeseenError before anything is written when the target is not empty, lies in the repository,
    is too small, or a tablespace has no folder; and on damage, a full disk or cancellation, leaving the
    folder marked incomplete.
    """
    reporter = watchful(reporter)
    started = time.monotonic()
    reporter.phase("prepare")
    reader = repository.read(request.instance_id, request.backup_id)
    server = reader.attachments().get("server", {})
    found = restored_layout.survey(reader.entries())
    spaces = restored_layout.tablespaces(server, found)
    places = restored_layout.map_tablespaces(spaces, request.tablespace_map)
    refuse_unknown_tablespaces(server, found)
    layout = Layout(request.target, places)
    owner = command.unprivileged_account(request.owner)
    check_targets([layout.data, *places.values()], repository.url)
    logs = LogReader(repository, request.instance_id)
    plan = _plan(logs, request.choice)
    check_space(
        {layout.data: found.bytes[0] + (plan.bytes if plan else 0)}
        | {places[oid]: found.bytes[oid] for oid in places}
    )
    reporter.checkpoint()
    mark(layout.data, owner)
    steps.reached("restore.marked")
    with TreeSink(layout.place, owner=owner, held=(layout.control_file,)) as sink:
        copy(reader, sink, layout, found, request.threads, reporter)
        target = request.recovery_target if request.choice is None else chosen(request.choice)
        notes = _configure(sink, layout, found, target, server)
        if plan is not None and request.choice is not None:
            notes += _log(logs, plan, layout, owner, request, reporter)
        notes += _refuse_new_tablespaces(reader, request, owner, reporter)
        steps.reached("restore.before_release")
        sink.release()
    unmark(layout.data)
    steps.reached("restore.done")
    return RestoreResult(
        backup_id=request.backup_id,
        target=layout.data,
        tablespaces={space.name: str(places[space.oid]) for space in spaces},
        files=sink.files,
        bytes=sink.bytes,
        seconds=time.monotonic() - started,
        server_major=int(server.get("version_number", 0)) // 10000,
        notes=(*notes, *(f"The link {path} -> {link} was not made again." for path, link in sink.left_out)),
    )


def mark(target: Path, owner: Account) -> None:
    """Make the folder, 0700, and say in it that it is incomplete: the first thing written."""
    with told(target):
        target.mkdir(0o700, exist_ok=True)
        target.chmod(0o700)
        os.chown(target, owner.uid, owner.gid)
        (target / MARKER).write_bytes(_MARKER_TEXT)
        sync_folder(target)


def unmark(target: Path) -> None:
    """The last thing done: from here on the folder is a complete copy."""
    with told(target):
        (target / MARKER).unlink()
        sync_folder(target)
        sync_folder(target.parent)


def copy(
    reader: BackupReader, sink: TreeSink, layout: Layout, found: Survey, threads: int, reporter: Reporter
) -> None:
    """Copy every file, then make the tablespace links and their map. Nothing is released yet."""
    missing = {"backup_label", "PG_VERSION"} - found.names
    if missing:
        raise ForeseenError(
            "restore.not_a_cluster",
            f"The backup {reader.backup_id} has no {' and no '.join(sorted(missing))}; it is no whole "
            f"cluster.",
            "Verify the backup at level decode and restore another one.",
        )
    reporter.phase("restore", found.total)
    for place in layout.tablespaces.values():
        sink.folder(place.parent)
        sink.root(place)
    reader.copy_to(sink, threads, reporter)
    steps.reached("restore.copied")
    for oid, place in layout.tablespaces.items():
        sink.link(layout.data / "pg_tblspc" / str(oid), place)
    if layout.tablespaces:
        places = {oid: str(place) for oid, place in layout.tablespaces.items()}
        sink.plain(layout.data / "tablespace_map", recovery.tablespace_map(places))


def _configure(
    sink: TreeSink, layout: Layout, found: Survey, target: RecoveryTarget, server: Mapping[str, Any]
) -> list[str]:
    """Write recovery and fence into the copy's own configuration; returns what the person should know."""
    data = layout.data
    notes = [
        "The copy is fenced: archiving, following a primary and subscriptions are off. "
        "The end of its postgresql.auto.conf says how to take the fence away.",
    ]
    auto = _text(data / "postgresql.auto.conf")
    sink.plain(data / "postgresql.auto.conf", recovery.fenced_auto_conf(auto, target).encode(**_RAW))
    sink.plain(data / "recovery.signal", b"")
    if "postgresql.conf" in found.names:
        changed = recovery.redirected_conf(_text(data / "postgresql.conf"), str(data))
        if changed is not None:
            sink.plain(data / "postgresql.conf", changed.encode(**_RAW))
            notes.append(
                "postgresql.conf named files of the source; lines at its end lead to the restored ones."
            )
    else:
        sink.plain(data / "postgresql.conf", recovery.minimal_conf(_carried(server)).encode())
        notes.append(
            "The source kept its configuration elsewhere: a minimal postgresql.conf was written; "
            f"the source's files are in {restored_layout.CONFIG_FOLDER}/."
        )
    if "pg_hba.conf" not in found.names:
        sink.plain(data / "pg_hba.conf", recovery.MINIMAL_HBA.encode())
    if "pg_ident.conf" not in found.names:
        sink.plain(data / "pg_ident.conf", b"")
    return notes


def _plan(logs: LogReader, choice: Choice | None) -> LogPlan | None:
    return None if choice is None else log_plan(choice, logs.objects(), choice.log_end)


def _log(
    logs: LogReader, plan: LogPlan, layout: Layout, owner: Account, request: RestoreRequest,
    reporter: Reporter,
) -> list[str]:  # fmt: skip
    """Put the log into pg_wal itself: the folder then starts with the server's programs and nothing else.

    It takes as much room as there is log between backup and target, which was asked for before; a nearer
    backup needs less. The server takes away what it has replayed, and what lies beyond its target.
    """
    assert request.choice is not None  # noqa: S101
    reporter.phase("log", plan.bytes)

    def placed(size: int) -> None:
        reporter.advance(size)
        reporter.checkpoint()

    place_log(logs, plan, layout.data / "pg_wal", owner, request.threads, placed)
    return [
        f"When it is started it recovers to {request.choice.target}. All log for that, {len(plan.segments)} "
        "segments, lies in its pg_wal. Its server log says where recovery stopped: compare it before use."
    ]


def _refuse_new_tablespaces(
    reader: BackupReader, request: RestoreRequest, owner: Account, reporter: Reporter
) -> list[str]:
    """Look through the restored log where the programs for it are; otherwise the person is told."""
    facts = reader.seal.facts
    try:
        programs = binaries.find(int(facts["server_major"]), request.binaries, owner)
    except ForeseenError as error:
        return [
            f"{error.message} So nobody looked whether the log creates a tablespace; if one was created "
            f"while "
            "the backup was taken, replaying that touches its folder on this machine."
        ]
    log = StoredLog(
        binaries=programs,
        account=owner,
        folder=request.target / "pg_wal",
        timeline=int(facts["timeline"]),
        start=str(facts["start_position"]),
        end=str(facts["log_end_position"]),
    )
    try:
        refuse_new_tablespaces(log, reporter)
    except command.CommandFailed as error:
        return [f"The restored log could not be looked through for new tablespaces: {error.message}"]
    return []


def _carried(server: Mapping[str, Any]) -> dict[str, str]:
    settings = server.get("settings", {})
    return {name: str(settings[name]["value"]) for name in _CARRIED_SETTINGS if name in settings}


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(**_RAW)
    except FileNotFoundError:
        return ""
