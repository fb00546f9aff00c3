"""The door to a repository. Read-only unless the caller asks for the writing door.

repository = Repository.open(url, keyring)                 # reads
repository = Repository.open(url, keyring, write=True)     # writes
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from dataprotect.core import steps
from dataprotect.core.clock import iso, now
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter, Silent
from dataprotect.storage import deleting, names, ownership
from dataprotect.storage.backends import open_backend
from dataprotect.storage.backends.base import Backend, ObjectExists, ObjectMissing
from dataprotect.storage.backends.retry import RetryingBackend
from dataprotect.storage.base import Base
from dataprotect.storage.deleting import Deleted
from dataprotect.storage.documents import DamagedObject, open_document, sealed_document
from dataprotect.storage.keys import wrapping
from dataprotect.storage.keys.base import Keyring
from dataprotect.storage.model import BackupKind, ChunkTask, Entry, FileEntry, Finding, Piece, Sink
from dataprotect.storage.pipeline.objects import StoredObject
from dataprotect.storage.pipeline.workers import PACK_BYTES, WriteOptions
from dataprotect.storage.reader import BackupReader
from dataprotect.storage.seal import Seal, decode_seal
from dataprotect.storage.sweeping import sweep_instance
from dataprotect.storage.writer import BackupWriter

__all__ = [
    "BackupReader", "BackupWriter", "Base", "ChunkTask", "Deleted", "Entry", "FileEntry", "Finding", "Piece",
    "Repository", "Seal", "Sink",
]  # fmt: skip

FORMAT = 1
Wrap = Callable[[Backend], Backend]


class Repository:
    """A place with `repository.json`. Build it with `open` or `initialise`. Safe for several threads."""

    def __init__(self, backend: Backend, keyring: Keyring, repository_id: str, *, write: bool) -> None:
        self.backend = backend
        self.repository_id = repository_id
        self.keyring = keyring
        self._write = write

    @classmethod
    def open(cls, url: str, keyring: Keyring, *, write: bool = False, wrap: Wrap | None = None) -> Self:
        """`wrap` replaces the default wrapper (retries) around the place's backend.

        Raises `repository.missing`, `storage.damaged`, `repository.format`, `key.inside_repository`.
        """
        backend = _backend(url, wrap)
        keyring.check_outside(url)
        try:
            document = open_document(names.REPOSITORY, backend.read(names.REPOSITORY))
        except ObjectMissing as error:
            raise ForeseenError(
                "repository.missing",
                "There is no repository at this address: it has no repository.json.",
                "Check the address and that the disk is mounted, or initialise a new repository there.",
            ) from error
        if document.get("format") != FORMAT:
            raise ForeseenError(
                "repository.format",
                f"The repository has format {document.get('format')}; this version reads format {FORMAT}.",
                "Use the version of the program that wrote it, or a newer one.",
            )
        return cls(backend, keyring, str(document["repository_id"]), write=write)

    @classmethod
    def initialise(cls, url: str, keyring: Keyring, *, wrap: Wrap | None = None) -> Self:
        """Make a repository and open it for writing. Raises `repository.exists`, `repository.not_empty`."""
        backend = _backend(url, wrap)
        keyring.check_outside(url)
        repository_id = secrets.token_hex(16)
        document = {"format": FORMAT, "repository_id": repository_id, "created_at": iso(now())}
        _refuse_other_things(backend)
        try:
            backend.put(names.REPOSITORY, sealed_document(document))
        except ObjectExists as error:
            raise ForeseenError(
                "repository.exists",
                "There is a repository at this address already.",
                "Open it, or name another place for the new one.",
            ) from error
        return cls(backend, keyring, repository_id, write=True)

    @property
    def url(self) -> str:
        return self.backend.url

    def claim_instance(self, instance_id: str, system_identifier: str) -> None:
        """Mark the instance's folder as this cluster's, unless it is already.

        Raises `repository.foreign_cluster` when it belongs to a cluster with another identifier.
        """
        self._for_writing()
        ownership.claim(self.backend, instance_id, system_identifier)

    def accept_cluster(self, instance_id: str, system_identifier: str) -> None:
        """From now on the folder belongs to this cluster: a person says it replaces the one before."""
        self._for_writing()
        ownership.accept(self.backend, instance_id, system_identifier)

    def owner(self, instance_id: str) -> str | None:
        """The system identifier of the cluster that owns the instance's folder; None when nobody does."""
        return ownership.owner(self.backend, instance_id)

    def begin(
        self,
        instance_id: str,
        backup_id: str,
        *,
        type: BackupKind = "full",
        parents: Sequence[str] = (),
        base: Base | None = None,
        threads: int = 2,
        level: int = 3,
        pack_bytes: int = PACK_BYTES,
        spool: Path | None = None,
        reporter: Reporter | None = None,
    ) -> BackupWriter:
        """Reserve the backup's name, make its data key, start the workers.

        parents: backups whose packs may be referred to. base: the backup to compare with (`base`), which
        brings its own parents; the caller closes it when the writer has ended.
        Raises `backup.exists`, and `repository.unclaimed` before `claim_instance` was called.
        """
        self._for_writing()
        names.check_identifier("backup_id", backup_id)
        self._require_claim(instance_id)
        if base is not None:
            parents = [backup for backup, _ in base.sources]
        options = WriteOptions(threads=threads, level=level, pack_bytes=pack_bytes, spool=spool)
        key = wrapping.new_data_key(instance_id)
        sources = [(backup_id, key.key_id)]
        sources += [(parent, self.seal(instance_id, parent).data_key_id) for parent in parents]
        started_at = iso(now())
        begun = self._reserve(key, backup_id, started_at, parents)
        self._refuse_leaving_parents(key.instance_id, backup_id, parents)
        wrapping.store_wrapped(self.backend, key, self.keyring, 1, purpose=f"backup {backup_id}")
        return BackupWriter(
            self.backend, key, backup_id=backup_id, kind=type, sources=sources, begun=begun,
            started_at=started_at, options=options, reporter=reporter or Silent(), base=base,
        )  # fmt: skip

    def read(self, instance_id: str, backup_id: str) -> BackupReader:
        """A sealed backup, its seal authenticated. Raises `backup.missing`, DamagedObject, key errors."""
        seal = self.seal(instance_id, backup_id)
        key = wrapping.unwrap(self.backend, instance_id, seal.data_key_id, self.keyring)
        seal.authenticate(key)
        return BackupReader(self.backend, self.keyring, seal, key)

    def base(self, instance_id: str, backup_id: str, spool: Path | None = None) -> Base:
        """A sealed backup for a new one to build on (`begin`). Raises what `read` does, and DamagedObject."""
        return self.read(instance_id, backup_id).base(spool)

    def seal(self, instance_id: str, backup_id: str) -> Seal:
        """The seal as it lies there, not authenticated (that takes the key). Raises `backup.missing`."""
        names.check_identifier("instance_id", instance_id)
        names.check_identifier("backup_id", backup_id)
        try:
            data = self.backend.read(names.backup_folder(instance_id, backup_id) + names.SEAL)
        except ObjectMissing as error:
            raise _gone(instance_id, backup_id) from error
        if deleting.is_marked(self.backend, instance_id, backup_id):
            raise _gone(instance_id, backup_id)
        return decode_seal(instance_id, backup_id, data)

    def instances(self) -> list[str]:
        """Ids of all instances that have a folder here."""
        return [folder.rstrip("/") for folder in self.backend.folders()]

    def seals(self, instance_id: str | None = None, damaged: list[Finding] | None = None) -> Iterator[Seal]:
        """Every sealed backup (of one instance, or of all) by id; a folder without a seal is none.

        A damaged seal raises DamagedObject, or goes to `damaged` when that list is given.
        """
        for instance in [instance_id] if instance_id is not None else self.instances():
            for folder in self.backend.folders(names.backups_folder(instance)):
                try:
                    yield self.seal(instance, folder.rstrip("/").rpartition("/")[2])
                except DamagedObject as error:
                    if damaged is None:
                        raise
                    damaged.append(Finding(error.object_name, error.problem))
                except ForeseenError as error:
                    if error.code != "backup.missing":
                        raise

    def rotate(self, instance_id: str | None = None) -> list[str]:
        """Wrap every data key with the keyring's current key too; returns the new objects' names.

        Existing objects are not touched. Raises key errors for a data key that the keyring cannot open.
        """
        self._for_writing()
        added = []
        for instance in [instance_id] if instance_id is not None else self.instances():
            for key_id in wrapping.data_key_ids(self.backend, instance):
                name = wrapping.add_wrapping(self.backend, instance, key_id, self.keyring)
                added += [name] if name else []
        return added

    def sweep(
        self, instance_id: str, live: Collection[str] = (), before: datetime | None = None
    ) -> list[str]:
        """Remove unsealed backups that are not in `live` and begun before `before` (now when None).

        Take `before` before `live` is looked up; then a backup that begins meanwhile is safe. Files of dead
        writers go too. Returns what was removed; a sealed backup never is.
        """
        self._for_writing()
        names.check_identifier("instance_id", instance_id)
        removed = sweep_instance(self.backend, instance_id, live, before)
        return removed + [f"temporary {name}" for name in self.backend.sweep_temporary()]

    def delete_backup(self, instance_id: str, backup_id: str, reporter: Reporter | None = None) -> Deleted:
        """Delete a backup, or finish a deletion that was begun; see `storage.deleting` for its steps.

        Raises `backup.needed`, and leaves the backup whole, while another one depends on it.
        """
        self._for_writing()
        names.check_identifier("instance_id", instance_id)
        names.check_identifier("backup_id", backup_id)
        return deleting.delete_backup(self.backend, instance_id, backup_id, reporter or Silent())

    def mark_backup(self, instance_id: str, backup_id: str) -> None:
        """Put the tombstone a deletion begins with; `spare_backup` takes it away. Raises `backup.needed`."""
        self._for_writing()
        names.check_identifier("instance_id", instance_id)
        names.check_identifier("backup_id", backup_id)
        deleting.mark_backup(self.backend, instance_id, backup_id)

    def spare_backup(self, instance_id: str, backup_id: str) -> bool:
        """Undo a deletion that has not yet removed the seal; False when the backup is gone."""
        self._for_writing()
        names.check_identifier("instance_id", instance_id)
        names.check_identifier("backup_id", backup_id)
        return deleting.spare_backup(self.backend, instance_id, backup_id)

    def half_deleted(self, instance_id: str) -> list[str]:
        """Ids of backups whose deletion was begun and has not ended."""
        return deleting.marked_backups(self.backend, names.check_identifier("instance_id", instance_id))

    def delete_log_objects(
        self, instance_id: str, objects: Iterable[str], reporter: Reporter | None = None
    ) -> Deleted:
        """Delete stored log by full name, in the order given."""
        self._for_writing()
        names.check_identifier("instance_id", instance_id)
        return deleting.delete_log_objects(self.backend, instance_id, objects, reporter or Silent())

    def delete_empty_stream(self, instance_id: str, stream_id: str) -> bool:
        """Remove a stream without log, with its data key. Nobody may write to it any more."""
        self._for_writing()
        names.check_identifier("instance_id", instance_id)
        names.check_identifier("stream_id", stream_id)
        return deleting.delete_empty_stream(self.backend, instance_id, stream_id)

    def free_bytes(self) -> int | None:
        """Bytes that can still be stored; None where the place does not say."""
        return self.backend.free_bytes()

    def _reserve(
        self, key: wrapping.DataKey, backup_id: str, started_at: str, parents: Sequence[str]
    ) -> StoredObject:
        data = sealed_document(
            {
                "format": FORMAT,
                "instance_id": key.instance_id,
                "backup_id": backup_id,
                "data_key_id": key.key_id,
                "started_at": started_at,
                "parents": list(parents),
            }
        )
        try:
            steps.reached("backup.before_begin")
            self.backend.put(names.backup_folder(key.instance_id, backup_id) + names.BEGUN, data)
            steps.reached("backup.after_begin")
        except ObjectExists as error:
            raise ForeseenError(
                "backup.exists",
                f"The name {backup_id} is taken by another backup, finished or not.",
                "Start the backup again; it gets a new name.",
            ) from error
        return StoredObject(names.BEGUN, len(data), hashlib.sha256(data).hexdigest())

    def _refuse_leaving_parents(self, instance_id: str, backup_id: str, parents: Sequence[str]) -> None:
        """Their seals are looked at again, now that the reservation names them: a deletion that begins from
        here on sees it, and one that began before is seen here."""
        try:
            for parent in parents:
                self.seal(instance_id, parent)
        except ForeseenError:
            self.backend.delete(names.backup_folder(instance_id, backup_id) + names.BEGUN)
            raise

    def _require_claim(self, instance_id: str) -> None:
        """Without a marker nobody could tell that two clusters write to one folder."""
        if self.owner(instance_id) is None:
            raise ForeseenError(
                "repository.unclaimed",
                f"The folder of the instance {instance_id} is not marked as any cluster's yet.",
                "Claim the instance with its system identifier before its first backup.",
            )

    def _for_writing(self) -> None:
        if not self._write:
            raise ForeseenError(
                "repository.read_only",
                "This repository was opened for reading only.",
                "Open it with write=True where writing is meant.",
            )


def _backend(url: str, wrap: Wrap | None) -> Backend:
    """The place behind `url`; transient failures are repeated unless the caller wraps it otherwise."""
    return (wrap or RetryingBackend)(open_backend(url))


def _refuse_other_things(backend: Backend) -> None:
    """A repository begins in an empty place; where there is one already, the put will say so."""
    first = next(backend.list(), None)
    if first is not None and next(backend.list(names.REPOSITORY), None) is None:
        raise ForeseenError(
            "repository.not_empty",
            f"The place for the new repository holds other things already, {first.name} for one.",
            "Name an empty or new folder.",
        )


def _gone(instance_id: str, backup_id: str) -> ForeseenError:
    return ForeseenError(
        "backup.missing",
        f"There is no sealed backup {backup_id} of the instance {instance_id}.",
        "List the backups of the repository and choose one of them.",
    )
