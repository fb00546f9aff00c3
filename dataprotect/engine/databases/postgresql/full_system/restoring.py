"""A complete data directory beside the one in use, with its tablespaces in folders of ours."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataprotect.core import steps
from dataprotect.core.progress import Reporter
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import recovery, restored_layout
from dataprotect.engine.databases.postgresql.full_system import journal as journals
from dataprotect.engine.databases.postgresql.full_system import names, place, spaces, standing
from dataprotect.engine.databases.postgresql.full_system.journal import Backup, Journal
from dataprotect.engine.databases.postgresql.full_system.moves import inode
from dataprotect.engine.databases.postgresql.restored_layout import Tablespace
from dataprotect.engine.full_system_model import FullSystemRequest, Origin, Restored
from dataprotect.engine.restore import RestoreRequest, RestoreResult, restore_files
from dataprotect.engine.tree import TreeSink, told
from dataprotect.storage.repository import BackupReader, Repository


def restore(
    repository: Repository, request: FullSystemRequest, origin: Origin, reporter: Reporter
) -> Restored:
    journal = standing.require(
        request, origin, "untouched", "restoring", "restored", code="full_system.not_before_exchange"
    )
    called = names.of(origin.data_directory, request.restore_id)
    if standing.look(request, origin).place == "restored":
        return _answer(called.restored, journal)
    remove(origin, journal)
    reader = repository.read(request.instance_id, request.backup_id)
    places = wanted_places(reader, request, origin)
    spaces.require(places, origin.data_directory)
    journal = Journal(
        request.restore_id, "restoring", spaces={each.name: str(at) for each, at in places.items()}
    )
    journals.write(called.journal, journal)
    steps.reached("full_system.restoring")
    try:
        result = _write(repository, request, origin, places, reporter)
        _lead_home(called.restored, places, place.account(origin.owner))
        return _complete(called.restored, called.journal, journal, result, _backup(reader))
    except BaseException:
        remove(origin, journal)
        raise


def wanted_places(reader: BackupReader, request: FullSystemRequest, origin: Origin) -> dict[Tablespace, Path]:
    """Where each tablespace of the backup shall be on this machine."""
    server: Mapping[str, Any] = reader.attachments().get("server", {})
    wanted = restored_layout.tablespaces(server, restored_layout.survey(reader.entries()))
    return spaces.locations(wanted, spaces.on_disk(origin.data_directory), request.tablespace_map)


def remove(origin: Origin, journal: Journal) -> None:
    """What a dead or failed run left beside the directory in use, the journal last."""
    called = names.of(origin.data_directory, origin.restore_id)
    for folder in [called.restored, *_space_folders(origin, journal)]:
        if inode(folder) is not None:
            shutil.rmtree(folder)
    journals.remove(called.journal)


def _space_folders(origin: Origin, journal: Journal) -> list[Path]:
    return [names.space_restored(Path(at), origin.restore_id) for at in journal.spaces.values()]


def _write(
    repository: Repository, request: FullSystemRequest, origin: Origin, places: Mapping[Tablespace, Path],
    reporter: Reporter,
) -> RestoreResult:  # fmt: skip
    folders = {str(each.oid): names.space_restored(at, request.restore_id) for each, at in places.items()}
    wanted = RestoreRequest(
        instance_id=request.instance_id,
        backup_id=request.backup_id,
        target=names.of(origin.data_directory, request.restore_id).restored,
        tablespace_map=folders,
        owner=origin.owner,
        threads=request.threads,
        binaries=request.binaries,
        choice=request.choice,
    )
    return restore_files(repository, wanted, reporter)


def _lead_home(restored: Path, places: Mapping[Tablespace, Path], owner: Account) -> None:
    """Its links lead to where the tablespaces will be, not to where they wait."""
    if not places:
        return
    with told(restored), TreeSink(lambda _: None, owner=owner) as sink:
        for space, at in places.items():
            link = restored / "pg_tblspc" / str(space.oid)
            link.unlink()
            sink.link(link, at)
        homes = {space.oid: str(at) for space, at in places.items()}
        sink.plain(restored / "tablespace_map", recovery.tablespace_map(homes))
        sink.release()


def _complete(
    restored: Path, path: Path, journal: Journal, result: RestoreResult, backup: Backup
) -> Restored:
    steps.reached("full_system.before_restored")
    done = replace(
        journal, phase="restored", inode=inode(restored), backup=backup, bytes=result.bytes,
        files=result.files, seconds=result.seconds, notes=_notes(result),
    )  # fmt: skip
    journals.write(path, done)
    steps.reached("full_system.restored")
    return _answer(restored, done)


def _notes(result: RestoreResult) -> tuple[str, ...]:
    """Not those about fence and configuration: the machine's own take their place."""
    ours = ("The copy is fenced", "postgresql.conf named", "The source kept its configuration")
    return tuple(note for note in result.notes if not note.startswith(ours))


def _backup(reader: BackupReader) -> Backup:
    facts = reader.seal.facts
    server: Mapping[str, Any] = reader.attachments().get("server", {})
    databases = tuple(str(each["name"]) for each in server.get("databases", ()))
    return Backup(
        str(facts["system_identifier"]), int(facts["timeline"]), str(facts["stop_position"]), databases
    )


def _answer(directory: Path, journal: Journal) -> Restored:
    assert journal.inode is not None  # noqa: S101  see _complete
    return Restored(
        directory, journal.inode, journal.bytes, journal.files, journal.seconds, dict(journal.spaces),
        journal.notes,
    )  # fmt: skip
