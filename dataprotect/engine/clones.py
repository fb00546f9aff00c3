"""Clones: isolated instances brought up from a backup, and gone without a trace afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import clone_folder, command, processes
from dataprotect.engine.clone_folder import Purpose, State
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import binaries, clone, restored_layout
from dataprotect.engine.databases.postgresql.clone import Settled
from dataprotect.engine.databases.postgresql.clone_settings import PORT, SOURCE_FILES
from dataprotect.engine.databases.postgresql.log_fetch import LogFetcher
from dataprotect.engine.databases.postgresql.recovery import RecoveryTarget, chosen
from dataprotect.engine.databases.postgresql.recovery_plan import log_plan
from dataprotect.engine.databases.postgresql.recovery_reached import Reached, explained, require
from dataprotect.engine.databases.postgresql.restored_layout import Layout
from dataprotect.engine.databases.postgresql.stored_log import StoredLog, refuse_new_tablespaces
from dataprotect.engine.model import Clone
from dataprotect.engine.restore import copy
from dataprotect.engine.restore_target import check_space
from dataprotect.engine.stop_watch import watchful
from dataprotect.engine.timeline_model import Choice
from dataprotect.engine.tree import TreeSink
from dataprotect.storage.logs import LogReader
from dataprotect.storage.repository import BackupReader, Repository


@dataclass(frozen=True, slots=True)
class CloneRequest:
    """clones: the folder all clones of this installation live in.

    purpose: `verification` clones never outlive the process that made them, `kept` ones stay until dropped.
    binaries: folder of the server's programs by major version, where the distribution's are not meant.
    account: who runs the server when we are root. position: where to recover to (exclusively); None is
    where the fingerprint was taken. choice: a target reached with the stored log; it goes before position.
    """

    instance_id: str
    backup_id: str
    clones: Path
    purpose: Purpose = "kept"
    binaries: Mapping[int, Path] = field(default_factory=dict)
    account: str = "postgres"
    threads: int = 2
    position: str | None = None
    start_seconds: float = 6 * 3600.0
    choice: Choice | None = None


def bring_up(repository: Repository, request: CloneRequest, reporter: Reporter | None = None) -> Clone:
    """Restore the backup into a folder of its own, recover it to its position and answer when it does.

    Raises ForeseenError when the programs are missing, the disk is too small, the backup damaged, or the
    clone does not start or ends up at another position; and what the reporter raises. Then nothing is
    left of it.
    """
    reporter = watchful(reporter)
    reporter.phase("prepare")
    reader = repository.read(request.instance_id, request.backup_id)
    account = command.unprivileged_account(request.account)
    major = int(reader.seal.facts["server_major"])
    programs = binaries.find(major, request.binaries, account)
    folder = clone_folder.create(
        request.clones, request.instance_id, request.backup_id, request.purpose, account
    )
    try:
        steps.reached("clone.folder_made")
        if request.choice is None:
            return _build(reader, request, folder, account, programs, reporter, None)
        with closing(_fetcher(repository, request, folder, account)) as fetcher:
            fetcher.start()  # already now, so that log waits for the server, and not the server for log
            return _build(reader, request, folder, account, programs, reporter, fetcher)
    except BaseException:
        clone_folder.remove(folder)
        raise


def drop(clones: Path, clone_id: str) -> None:
    """End the clone's server and delete its files. Raises `clone.missing`, `clone.not_removed`."""
    folder = clones / clone_folder.check_clone_id(clone_id)
    if not folder.is_dir():
        raise ForeseenError("clone.missing", f"There is no clone {clone_id}.", "List the clones there are.")
    clone_folder.remove(folder)


def answers(dsn: str) -> bool:
    """Does the clone's server let us in?"""
    try:
        clone.connect(dsn).close()
    except psycopg.Error:
        return False
    return True


def sweep_clones(clones: Path) -> list[str]:
    """Drop what dead processes left behind; returns the ids. Clones in use or meant to stay are not
    touched.
    """
    removed = []
    for folder in [*clone_folder.found(clones), *clone_folder.abandoned(clones)]:
        if folder.name.startswith("new-") or clone_folder.is_leftover(folder):
            clone_folder.remove(folder)
            removed.append(folder.name.removeprefix("new-"))
    return removed


def running(clones: Path) -> list[State]:
    """The notes of all clones that there are, whatever their phase."""
    states = (clone_folder.read_state(folder) for folder in clone_folder.found(clones))
    return [state for state in states if state is not None]


def _build(
    reader: BackupReader, request: CloneRequest, folder: Path, account: Account,
    programs: binaries.Binaries, reporter: Reporter, fetcher: LogFetcher | None,
) -> Clone:  # fmt: skip
    documents = reader.attachments()
    server: Mapping[str, Any] = documents.get("server", {})
    fingerprint: Mapping[str, Any] = documents.get("fingerprint") or {}
    position = request.position or fingerprint.get("position") or reader.seal.facts.get("stop_position")
    state = clone_folder.read_state(folder)
    assert state is not None  # noqa: S101  made a moment ago
    settled = Settled(
        binaries=programs,
        account=account,
        data=folder / "data",
        log=folder / "server.log",
        socket_directory=Path(state.socket_directory),
        superuser=str(fingerprint.get("superuser") or "postgres"),
        database=_entrance(server),
        target=_target(request, fetcher, position),
    )
    began = time.monotonic()
    _fetch(reader, settled, server, folder, request, reporter)
    fetched = time.monotonic()
    steps.reached("clone.restored")
    facts = reader.seal.facts
    log = StoredLog(
        binaries=programs,
        account=account,
        folder=settled.data / "pg_wal",
        timeline=int(facts["timeline"]),
        start=str(facts["start_position"]),
        end=str(facts["log_end_position"]),
    )
    refuse_new_tablespaces(log, reporter)
    at = _start(settled, folder, request, reporter, fetcher)
    finished = time.monotonic()
    state = clone_folder.update(
        folder,
        phase="running",
        dsn=settled.dsn,
        reached_position=at.position,
        reached_at=clock.iso(at.at) if at.at else "",
        target=str(request.choice.target) if request.choice else "",
    )
    steps.reached("clone.ready")
    assert state.server is not None  # noqa: S101  noted by _start
    return Clone(
        clone_id=state.clone_id,
        dsn=settled.dsn,
        data_directory=settled.data,
        socket_directory=settled.socket_directory,
        port=PORT,
        pid=state.server.pid,
        reached_position=at.position,
        timings={"fetch": fetched - began, "recovery": finished - fetched},
        reached_at=at.at,
        reached_reason=at.reason,
    )


def _fetcher(repository: Repository, request: CloneRequest, folder: Path, account: Account) -> LogFetcher:
    """What gives the clone its log. The list of what is stored is frozen here."""
    assert request.choice is not None  # noqa: S101
    logs = LogReader(repository, request.instance_id)
    plan = log_plan(request.choice, logs.objects(), request.choice.reach_end)
    return LogFetcher(logs, plan, folder, account, request.threads)


def _target(request: CloneRequest, fetcher: LogFetcher | None, position: str | None) -> RecoveryTarget:
    if request.choice is None or fetcher is None:
        return RecoveryTarget(position=position)
    return chosen(request.choice, fetcher.restore_command)


def _fetch(
    reader: BackupReader, settled: Settled, server: Mapping[str, Any], folder: Path,
    request: CloneRequest, reporter: Reporter,
) -> None:  # fmt: skip
    """Copy the files, every tablespace below the clone's own folder, and write the clone's configuration."""
    found = restored_layout.survey(reader.entries())
    places = {oid: folder / "tablespaces" / str(oid) for oid in found.bytes if oid}
    check_space({folder: found.total})
    layout = Layout(settled.data, places, left_out=SOURCE_FILES, with_configuration=False)
    with TreeSink(layout.place, owner=settled.account, durable=False) as sink:
        sink.root(settled.data)
        copy(reader, sink, layout, found, request.threads, reporter)
        files, notes = clone.configure(settled, server)
        for name, content in files.items():
            sink.plain(settled.data / name, content)
        sink.release()
    for note in notes:
        reporter.note(note)


def _start(
    settled: Settled, folder: Path, request: CloneRequest, reporter: Reporter, fetcher: LogFetcher | None
) -> Reached:
    """Start, wait, and return where it stands. Raises when that is not the target."""
    reporter.phase("recovery")
    if not clone.fenced_off(settled.account):
        reporter.note(
            "No network namespace could be made for the clone; it listens on a private socket only."
        )
    clone_folder.update(folder, phase="starting")
    steps.reached("clone.before_start")
    if fetcher is None or request.choice is None:
        _run(settled, folder, request, reporter, _nothing)
        return Reached(clone.reached(settled), "")
    try:
        _run(settled, folder, request, reporter, fetcher.check)
    except ForeseenError as error:
        if error.code != "clone.not_started":
            raise
        raise explained(clone.log_tail(settled.log), request.choice) or error from None
    reached = clone.reached_at_last(settled)
    require(reached, request.choice)
    return reached


def _run(
    settled: Settled, folder: Path, request: CloneRequest, reporter: Reporter, watch: Callable[[], None]
) -> None:
    process = clone.start(settled)
    clone_folder.update(folder, server=processes.identify(process.pid))
    steps.reached("clone.started")
    clone.wait_until_ready(settled, process, request.start_seconds, reporter, watch)


def _nothing() -> None:
    return None


def _entrance(server: Mapping[str, Any]) -> str:
    """A database that can be connected to: postgres where there is one."""
    names = [str(each["name"]) for each in server.get("databases", ()) if each.get("connectable")]
    return "postgres" if "postgres" in names or not names else names[0]
