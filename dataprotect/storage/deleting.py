"""Deleting a backup so that at every moment it is either whole or no backup at all.

    1. deleting.json   the tombstone: from here on it counts as gone, and no backup may come to depend on it
    2. is it needed?   another backup, finished or begun, has it as a parent: the tombstone goes, no more
    3. seal.json       the point of no return: without a seal there is no backup
    4. manifest, packs
    5. the wrapped data key, when no other backup has it, and the reservation
    6. deleting.json   last: as long as it is there, it says what else must go

A deletion that was killed is finished by calling it again; each step deletes only what is still there.
A backup that begins puts its reservation (with its parents) first and then looks for tombstones of its
parents; the deletion puts its tombstone first and then looks for reservations. So one always sees the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dataprotect.core import steps
from dataprotect.core.clock import iso, now
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.progress import Reporter
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend, ObjectExists, ObjectInfo, ObjectMissing
from dataprotect.storage.documents import DamagedObject, open_document, sealed_document
from dataprotect.storage.keys import wrapping
from dataprotect.storage.seal import decode_seal

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion removed, counted when it began, however often it was taken up again."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Other:
    backup_id: str
    parents: frozenset[str]
    data_key_id: str


def delete_backup(backend: Backend, instance_id: str, backup_id: str, reporter: Reporter) -> Deleted:
    """Delete a backup, or finish a deletion that was begun. One that is not there any more is deleted.

    Raises `backup.needed` and leaves it whole when another backup depends on it.
    """
    folder = names.backup_folder(instance_id, backup_id)
    found = list(backend.list(folder))
    if not found:
        return Deleted(0, 0)
    mark, others = _marked_unneeded(backend, instance_id, backup_id, found)
    _delete(backend, folder + names.SEAL, "seal")
    _delete_contents(backend, folder, reporter)
    _delete_key(backend, instance_id, str(mark["data_key_id"]), others)
    _delete(backend, folder + names.BEGUN, "reservation")
    _delete(backend, folder + names.TOMBSTONE, "tombstone")
    return Deleted(int(mark["objects"]), int(mark["bytes"]))


def mark_backup(backend: Backend, instance_id: str, backup_id: str) -> None:
    """Only the first two steps: from here on it counts as gone, but `spare_backup` brings it back whole.

    Raises `backup.needed`. What is not there any more needs no mark.
    """
    found = list(backend.list(names.backup_folder(instance_id, backup_id)))
    if found:
        _marked_unneeded(backend, instance_id, backup_id, found)


def spare_backup(backend: Backend, instance_id: str, backup_id: str) -> bool:
    """Take the tombstone away while the backup is whole; False when there is nothing left to spare."""
    folder = names.backup_folder(instance_id, backup_id)
    present = {item.name for item in backend.list(folder)}
    if folder + names.SEAL not in present:
        return False
    backend.delete(folder + names.TOMBSTONE)
    return True


def is_marked(backend: Backend, instance_id: str, backup_id: str) -> bool:
    """Whether a tombstone lies in the backup's folder."""
    try:
        backend.stat(names.backup_folder(instance_id, backup_id) + names.TOMBSTONE)
    except ObjectMissing:
        return False
    return True


def marked_backups(backend: Backend, instance_id: str) -> list[str]:
    """Ids of backups whose deletion was begun and has not ended."""
    return [name for name in _backup_ids(backend, instance_id) if is_marked(backend, instance_id, name)]


def delete_log_objects(
    backend: Backend, instance_id: str, objects: Iterable[str], reporter: Reporter
) -> Deleted:
    """Delete stored log by full name, in the order given: the oldest first, so what is left has no new gap.

    Raises InvalidInput for a name that is no log of the instance, before anything is deleted.
    """
    wanted = list(objects)
    folder = names.logs_folder(instance_id)
    for name in wanted:
        if not name.startswith(folder) or name.endswith("/" + names.STREAM):
            raise InvalidInput("object", f"Expected the name of an object of log below {folder}.")
    count = size = 0
    for name in wanted:
        reporter.checkpoint()
        try:
            size += backend.stat(name).size
        except ObjectMissing:
            continue
        _delete(backend, name, "log")
        count += 1
    return Deleted(count, size)


def delete_empty_stream(backend: Backend, instance_id: str, stream_id: str) -> bool:
    """Remove a stream of which only its description is left: its data key, then the description.

    False while it still holds log. The caller knows that nobody writes to it any more.
    """
    folder = f"{names.logs_folder(instance_id)}{stream_id}/"
    if any(item.name != folder + names.STREAM for item in backend.list(folder)):
        return False
    try:
        described = open_document(folder + names.STREAM, backend.read(folder + names.STREAM))
    except ObjectMissing:
        return False
    _delete_wrapped(backend, instance_id, str(described["data_key_id"]))
    _delete(backend, folder + names.STREAM, "stream")
    return True


def _marked_unneeded(
    backend: Backend, instance_id: str, backup_id: str, found: list[ObjectInfo]
) -> tuple[dict[str, Any], list[_Other]]:
    """The tombstone, and all other backups: none of which needs this one while it has its seal."""
    folder = names.backup_folder(instance_id, backup_id)
    mark = _marked(backend, instance_id, backup_id, found)
    others = list(_others(backend, instance_id, backup_id))
    if any(item.name == folder + names.SEAL for item in found):
        _refuse_if_needed(backend, folder, backup_id, others)
    return mark, others


def _marked(backend: Backend, instance_id: str, backup_id: str, found: list[ObjectInfo]) -> dict[str, Any]:
    """The tombstone's document; it is put there unless an earlier attempt did."""
    name = names.backup_folder(instance_id, backup_id) + names.TOMBSTONE
    document = {
        "format": FORMAT,
        "instance_id": instance_id,
        "backup_id": backup_id,
        "data_key_id": _data_key_id(backend, instance_id, backup_id),
        "objects": len(found),
        "bytes": sum(item.size for item in found),
        "marked_at": iso(now()),
    }
    try:
        steps.reached("deletion.before_mark")
        backend.put(name, sealed_document(document))
        steps.reached("deletion.after_mark")
    except ObjectExists:
        return _read_mark(backend, name) or document
    return document


def _read_mark(backend: Backend, name: str) -> dict[str, Any] | None:
    """A damaged tombstone still says what it says by being there; its numbers are made anew."""
    try:
        return open_document(name, backend.read(name))
    except (DamagedObject, ObjectMissing):
        return None


def _refuse_if_needed(backend: Backend, folder: str, backup_id: str, others: list[_Other]) -> None:
    dependents = [other.backup_id for other in others if backup_id in other.parents]
    if not dependents:
        return
    steps.reached("deletion.before_refusal")
    backend.delete(folder + names.TOMBSTONE)
    more = f" and {len(dependents) - 3} more" if len(dependents) > 3 else ""
    raise ForeseenError(
        "backup.needed",
        f"The backup {backup_id} is needed by {', '.join(dependents[:3])}{more}.",
        "Nothing was deleted; delete what depends on it first, or leave it to the rules of retention.",
        retry=True,
    )


def _delete_contents(backend: Backend, folder: str, reporter: Reporter) -> None:
    """Manifest and packs, and whatever else lies there. A safe point before each: it can be resumed."""
    kept = {folder + names.BEGUN, folder + names.TOMBSTONE}
    for item in list(backend.list(folder)):
        if item.name not in kept:
            reporter.checkpoint()
            _delete(backend, item.name, "object")
            reporter.advance(item.size)


def _delete_key(backend: Backend, instance_id: str, data_key_id: str, others: list[_Other]) -> None:
    """The backup's own data key; one that another backup has, or may have, stays."""
    if not any(other.data_key_id in ("", data_key_id) for other in others):
        _delete_wrapped(backend, instance_id, data_key_id)


def _delete_wrapped(backend: Backend, instance_id: str, data_key_id: str) -> None:
    if data_key_id:
        for item in list(backend.list(wrapping.folder(instance_id, data_key_id))):
            _delete(backend, item.name, "key")


def _delete(backend: Backend, name: str, what: str) -> None:
    steps.reached(f"deletion.before_{what}")
    backend.delete(name)
    steps.reached(f"deletion.after_{what}")


def _backup_ids(backend: Backend, instance_id: str) -> Iterator[str]:
    for folder in backend.folders(names.backups_folder(instance_id)):
        yield folder.rstrip("/").rpartition("/")[2]


def _data_key_id(backend: Backend, instance_id: str, backup_id: str) -> str:
    """Empty when nothing readable says it."""
    found = _documents(backend, names.backup_folder(instance_id, backup_id))
    return next((str(document["data_key_id"]) for document in found if "data_key_id" in document), "")


def _others(backend: Backend, instance_id: str, backup_id: str) -> Iterator[_Other]:
    """Every other backup, finished, begun or half deleted, with what it depends on.

    Where nothing readable says so it may depend on this very one. Half deleted, it needs nobody any more.
    """
    for other in _backup_ids(backend, instance_id):
        folder = names.backup_folder(instance_id, other)
        found = list(_documents(backend, folder)) if other != backup_id else []
        present = {item.name for item in backend.list(folder)}
        if other == backup_id or not present:
            continue
        told = next((set(document["parents"]) for document in found if "parents" in document), {backup_id})
        half_deleted = folder + names.TOMBSTONE in present and folder + names.SEAL not in present
        key = next((str(document["data_key_id"]) for document in found if "data_key_id" in document), "")
        yield _Other(other, frozenset() if half_deleted else frozenset(told), key)


def _documents(backend: Backend, folder: str) -> Iterator[dict[str, Any]]:
    """What is readable of the plain documents in a backup's folder; the seal only when the short ones are not
    enough: it lists every object."""
    enough = False
    for name in (names.BEGUN, names.TOMBSTONE):
        try:
            document = open_document(folder + name, backend.read(folder + name))
        except (ObjectMissing, DamagedObject):
            continue
        enough = enough or "parents" in document
        yield document
    if not enough:
        yield from _sealed(backend, folder)


def _sealed(backend: Backend, folder: str) -> Iterator[dict[str, Any]]:
    instance_id, _, backup_id = folder.strip("/").split("/")
    try:
        yield dict(decode_seal(instance_id, backup_id, backend.read(folder + names.SEAL)).document)
    except (ObjectMissing, DamagedObject):
        return
