"""Removing what failed and killed backups left behind. A sealed backup is never touched."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from dataprotect.core.clock import now, parse_iso
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend, ObjectMissing
from dataprotect.storage.documents import DamagedObject, open_document
from dataprotect.storage.keys import wrapping
from dataprotect.storage.logs import streams
from dataprotect.storage.writer import remove_unsealed


def sweep_instance(
    backend: Backend, instance_id: str, live: Collection[str], before: datetime | None
) -> list[str]:
    """Delete unsealed backups begun before `before` (now when None) that are not in `live`, and data keys
    that belong to no backup and no log stream. Returns the ids of the removed backups and `key <id>` for
    lone keys.
    """
    limit = before or now()
    # Keys are listed first: a backup that begins meanwhile puts its reservation before its key.
    lone_keys = set(wrapping.data_key_ids(backend, instance_id))
    removed = []
    for folder in backend.folders(names.backups_folder(instance_id)):
        backup_id = folder.rstrip("/").rpartition("/")[2]
        begun = _reservation(backend, folder)
        if (
            _is_sealed(backend, folder)
            or backup_id in live
            or (begun and parse_iso(begun["started_at"]) >= limit)
        ):
            lone_keys -= _keys_needed(begun, lone_keys)
        elif remove_unsealed(backend, instance_id, backup_id, begun["data_key_id"] if begun else None):
            removed.append(backup_id)
    lone_keys -= streams.keys_needed(backend, instance_id, lone_keys)
    return removed + [f"key {key}" for key in sorted(_remove_keys(backend, instance_id, lone_keys))]


def _reservation(backend: Backend, folder: str) -> dict[str, Any] | None:
    """What `begun.json` says; None when it is missing or damaged."""
    try:
        return open_document(folder + names.BEGUN, backend.read(folder + names.BEGUN))
    except (ObjectMissing, DamagedObject):
        return None


def _keys_needed(begun: dict[str, Any] | None, keys: set[str]) -> set[str]:
    """The key a kept backup needs. When its reservation cannot say which, every key may be the one."""
    return {begun["data_key_id"]} if begun else set(keys)


def _is_sealed(backend: Backend, folder: str) -> bool:
    try:
        backend.stat(folder + names.SEAL)
    except ObjectMissing:
        return False
    return True


def _is_of_a_backup(backend: Backend, instance_id: str, key: str) -> bool:
    """Streams of log have data keys too, and live much longer than any backup does. In doubt it stays."""
    try:
        copies = [
            wrapping.read_wrapped(backend, name) for name in wrapping.list_wrapped(backend, instance_id, key)
        ]
    except (ObjectMissing, DamagedObject):
        return False
    return all(copy.purpose.startswith("backup ") for copy in copies)


def _remove_keys(backend: Backend, instance_id: str, keys: set[str]) -> set[str]:
    removed = set()
    for key in keys:
        if not _is_of_a_backup(backend, instance_id, key):
            continue
        for item in list(backend.list(wrapping.folder(instance_id, key))):
            backend.delete(item.name)
            removed.add(key)
    return removed
