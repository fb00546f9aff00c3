"""The seal: plain, written last. A folder without a seal is no backup.

Stored as `{"hmac":"<64 hex digits>","seal":{…},"sha256":"<64 hex digits>"}` and a line feed, canonical
JSON. The HMAC-SHA256 is over the canonical bytes of the inner object, under a key derived from the backup's
data key: it proves the seal genuine. The SHA-256 is over the same bytes: it finds mere damage without a key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from dataprotect.core.clock import parse_iso
from dataprotect.storage import names
from dataprotect.storage.documents import DamagedObject, canonical, parse_canonical
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.model import BackupKind
from dataprotect.storage.pipeline.frames import derive
from dataprotect.storage.pipeline.objects import StoredObject

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """entries: of all kinds. bytes: sum of file sizes. blocks: of all files. packed: size of own packs."""

    entries: int
    files: int
    bytes: int
    blocks: int
    packed: int


@dataclass(frozen=True, slots=True)
class Seal:
    """What a seal says; `facts` are the engine's (positions, times, versions), plain for everybody."""

    instance_id: str
    backup_id: str
    type: BackupKind
    parents: tuple[str, ...]
    data_key_id: str
    started_at: datetime
    finished_at: datetime
    totals: Totals
    facts: Mapping[str, Any]
    written_by: Mapping[str, Any]
    objects: tuple[StoredObject, ...]
    document: Mapping[str, Any]
    """The inner object as stored."""
    hmac: str

    @property
    def stored_bytes(self) -> int:
        """Everything that lies in the repository for this backup, the seal itself apart."""
        return sum(item.size for item in self.objects)

    @property
    def folder(self) -> str:
        return names.backup_folder(self.instance_id, self.backup_id)

    def authenticate(self, key: DataKey) -> None:
        """Raises DamagedObject when the HMAC is not that of `key`."""
        expected = seal_hmac(key, self.instance_id, self.backup_id, self.document)
        if not hmac.compare_digest(expected, self.hmac):
            raise DamagedObject(self.folder + names.SEAL, "its HMAC does not match")


def claims_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a seal that the manifest repeats: everything but the list of objects."""
    return {name: value for name, value in document.items() if name != "objects"}


def seal_hmac(key: DataKey, instance_id: str, backup_id: str, document: Mapping[str, Any]) -> str:
    secret = derive(key.secret, b"", f"dataprotect/1 seal {instance_id}/{backup_id}")
    return hmac.new(secret, canonical(document), hashlib.sha256).hexdigest()


def encode_seal(key: DataKey, claims: Mapping[str, Any], objects: list[StoredObject]) -> bytes:
    """The stored form."""
    listed = [{"name": item.name, "size": item.size, "sha256": item.sha256} for item in objects]
    document = {**claims, "objects": listed}
    code = seal_hmac(key, claims["instance_id"], claims["backup_id"], document)
    digest = hashlib.sha256(canonical(document)).hexdigest()
    return canonical({"hmac": code, "seal": document, "sha256": digest}) + b"\n"


def decode_seal(instance_id: str, backup_id: str, data: bytes) -> Seal:
    """The seal found in the folder of that backup, whole but not yet authenticated. Raises DamagedObject."""
    name = names.backup_folder(instance_id, backup_id) + names.SEAL
    outer = parse_canonical(name, data)
    try:
        seal = _decoded(outer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedObject(name, "its content and its SHA-256 do not agree") from error
    if (seal.instance_id, seal.backup_id) != (instance_id, backup_id):
        raise DamagedObject(name, f"it is the seal of {seal.instance_id}/{seal.backup_id}")
    return seal


def _decoded(outer: dict[str, Any]) -> Seal:
    document = outer["seal"]
    if document["format"] != FORMAT or set(outer) != {"hmac", "seal", "sha256"}:
        raise ValueError("unknown format")
    if hashlib.sha256(canonical(document)).hexdigest() != outer["sha256"]:
        raise ValueError("the SHA-256 does not match")
    objects = tuple(
        StoredObject(str(item["name"]), int(item["size"]), str(item["sha256"]))
        for item in document["objects"]
    )
    return Seal(
        instance_id=document["instance_id"],
        backup_id=document["backup_id"],
        type=cast(BackupKind, document["type"]),
        parents=tuple(document["parents"]),
        data_key_id=document["data_key_id"],
        started_at=parse_iso(document["started_at"]),
        finished_at=parse_iso(document["finished_at"]),
        totals=Totals(**{name: int(value) for name, value in document["totals"].items()}),
        facts=dict(document["facts"]),
        written_by=dict(document["written_by"]),
        objects=objects,
        document=document,
        hmac=str(outer["hmac"]),
    )
