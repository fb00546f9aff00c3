"""Everything that would make the restore of a whole server fail later, looked at while nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import binaries, restored_layout
from dataprotect.engine.databases.postgresql.full_system import (
    hooks,
    machine_files,
    moves,
    names,
    place,
    preflight_server,
    preflight_space,
)
from dataprotect.engine.full_system_model import FullSystemRequest, Origin
from dataprotect.engine.model import Check
from dataprotect.storage.repository import BackupReader, Repository


def preflight(repository: Repository, request: FullSystemRequest, origin: Origin) -> Iterator[Check]:
    """In order; without the backup there is nothing to compare the machine with."""
    yield _directory(origin)
    yield _names(origin)
    yield from _hooks(request)
    yield from _machine_files(request, origin)
    yield from preflight_server.checks(request, origin)
    try:
        reader = repository.read(request.instance_id, request.backup_id)
        server: Mapping[str, Any] = reader.attachments().get("server", {})
    except ForeseenError as error:
        yield Check("backup can be read", False, request.backup_id, f"{error.message} {error.action}")
        return
    yield Check("backup can be read", True, request.backup_id, "its key and its seal are there")
    yield from _versions(request, origin, reader)
    yield _cluster(origin, reader)
    yield preflight_server.account_in_backup(request, server)
    yield from preflight_space.checks(
        repository, request, origin, reader, restored_layout.survey(reader.entries())
    )


def _directory(origin: Origin) -> Check:
    """The worker may rename it, and it is a primary's."""
    name, wanted = "data directory can be exchanged", f"{origin.data_directory}, beside a copy of it"
    data = origin.data_directory
    try:
        why = place.problem(data)
    except OSError as error:
        why = f"{data} cannot be looked at ({error.strerror})"
    if not why and (data / "standby.signal").exists():
        why = f"{data} is that of a standby: restore its primary, and make the standby anew"
    return Check(name, not why, wanted, why or "it can")


def _names(origin: Origin) -> Check:
    """A restored one of a dead run is not in the way: `restore` starts over."""
    called = names.of(origin.data_directory, origin.restore_id)
    name, wanted = "names of the folders", f"{called.restored.name}, {called.kept.name}"
    taken = [str(path) for path in (called.kept, called.restored) if moves.inode(path) is not None]
    if called.journal.exists() and moves.inode(called.kept) is None:
        return Check(name, True, wanted, "of this very restore, which goes on")
    return Check(name, not taken, wanted, ", ".join(f"{path} is there already" for path in taken) or "free")


def _hooks(request: FullSystemRequest) -> Iterator[Check]:
    found = request.target.hooks
    for what, argv in (("stop", found.stop), ("start", found.start)):
        why = hooks.problem(argv)
        try:
            hooks.account(found)
        except ForeseenError as error:
            why = why or error.message
        yield Check(f"{what} hook", not why, " ".join(argv) or "an argument list", why or "can be run")


def _machine_files(request: FullSystemRequest, origin: Origin) -> Iterator[Check]:
    kept = [
        name for name in machine_files.checked(request.machine_files)
        if (origin.data_directory / name).exists()
    ]  # fmt: skip
    yield Check(
        "configuration of the machine", True, "kept from the old directory", ", ".join(kept) or "none"
    )
    if (origin.data_directory / "pg_wal").is_symlink():
        at = (origin.data_directory / "pg_wal").readlink()
        told = f"it is on {at}; the restored one is inside the data directory: move it when there is time"
        yield Check("place of the log", None, "inside the data directory", told)


def _versions(request: FullSystemRequest, origin: Origin, reader: BackupReader) -> Iterator[Check]:
    major = int(reader.seal.facts["server_major"])
    yield Check(
        "major version", major == origin.major, f"PostgreSQL {origin.major}, which the hooks start",
        f"the backup is of PostgreSQL {major}",
    )  # fmt: skip
    name, wanted = "programs on this machine", f"PostgreSQL {major}"
    try:
        found = binaries.find(major, request.binaries, place.account(origin.owner))
    except ForeseenError as error:
        yield Check(name, False, wanted, f"{error.message} {error.action}")
        return
    yield Check(name, True, wanted, str(found.folder))


def _cluster(origin: Origin, reader: BackupReader) -> Check:
    """Another one may be meant: a staging server gets production's data."""
    name, found = "whose backup it is", str(reader.seal.facts["system_identifier"])
    wanted = f"of the cluster {origin.system_identifier or '(unknown: its control file cannot be read)'}"
    if found == origin.system_identifier:
        return Check(name, True, wanted, "this server's own")
    return Check(name, None, wanted, f"the backup is of the cluster {found}, which will be here instead")
