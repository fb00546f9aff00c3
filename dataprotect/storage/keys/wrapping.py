"""Data keys as they lie in a repository: `<instance>/keys/<data-key-id>/<n>.json`, one per wrapping."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any

from dataprotect.core import steps
from dataprotect.core.clock import iso, now
from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import Backend, ObjectExists
from dataprotect.storage.documents import DamagedObject, open_document, sealed_document
from dataprotect.storage.keys.base import Keyring, MissingKey, WrongKey

FORMAT = 1
DATA_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one backup. `key_id` is 32 hex digits, `secret` 32 bytes."""

    instance_id: str
    key_id: str
    secret: bytes = field(repr=False)

    @property
    def id_bytes(self) -> bytes:
        return bytes.fromhex(self.key_id)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One wrapped copy as stored in the object `name`."""

    name: str
    number: int
    instance_id: str
    data_key_id: str
    key_encryption_key_id: str
    provider: str
    wrapped: bytes
    purpose: str
    created_at: str

    def unwrap(self, keyring: Keyring) -> DataKey | None:
        """None when the keyring lacks the key. Raises WrongKey."""
        key = keyring.find(self.key_encryption_key_id)
        if key is None:
            return None
        context = _context(self.instance_id, self.data_key_id, self.key_encryption_key_id)
        return DataKey(self.instance_id, self.data_key_id, key.unwrap(self.wrapped, context))


def new_data_key(instance_id: str) -> DataKey:
    """A fresh random data key that nothing knows yet."""
    return DataKey(instance_id, secrets.token_hex(16), secrets.token_bytes(DATA_KEY_BYTES))


def folder(instance_id: str, data_key_id: str = "") -> str:
    """Where the wrapped copies of a data key (or of all of them) lie; ends with a slash."""
    return f"{instance_id}/keys/{data_key_id}/" if data_key_id else f"{instance_id}/keys/"


def store_wrapped(backend: Backend, key: DataKey, keyring: Keyring, number: int, purpose: str) -> str:
    """Wrap `key` with the keyring's current key and put it as copy `number`. Raises ObjectExists."""
    by = keyring.current
    document = {
        "format": FORMAT,
        "instance_id": key.instance_id,
        "data_key_id": key.key_id,
        "number": number,
        "key_encryption_key_id": by.key_id,
        "provider": by.provider,
        "wrapped": _base64(by.wrap(key.secret, _context(key.instance_id, key.key_id, by.key_id))),
        "purpose": purpose,
        "created_at": iso(now()),
    }
    name = f"{folder(key.instance_id, key.key_id)}{number}.json"
    steps.reached("storage.key.before_put")
    backend.put(name, sealed_document(document))
    steps.reached("storage.key.after_put")
    return name


def read_wrapped(backend: Backend, name: str) -> WrappedKey:
    """The wrapped copy in the object `name`. Raises DamagedObject, also when it lies under another name."""
    document = open_document(name, backend.read(name))
    try:
        found = _decoded(name, document)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedObject(name, "a field is missing or of the wrong kind") from error
    if name != f"{folder(found.instance_id, found.data_key_id)}{found.number}.json":
        raise DamagedObject(name, "it belongs under another name")
    return found


def list_wrapped(backend: Backend, instance_id: str, data_key_id: str) -> list[str]:
    """Names of all wrapped copies, newest first."""
    names = [item.name for item in backend.list(folder(instance_id, data_key_id))]
    return sorted(names, key=_number_of, reverse=True)


def unwrap(backend: Backend, instance_id: str, data_key_id: str, keyring: Keyring) -> DataKey:
    """The data key, by any wrapped copy that the keyring opens, newest first.

    A copy that does not open keeps no good one from being used. Raises MissingKey, WrongKey, DamagedObject.
    """
    needed: list[str] = []
    problem: ForeseenError | None = None
    for name in list_wrapped(backend, instance_id, data_key_id):
        try:
            copy = read_wrapped(backend, name)
            if key := copy.unwrap(keyring):
                return key
            needed.append(copy.key_encryption_key_id)
        except (DamagedObject, WrongKey) as error:
            problem = error
    if isinstance(problem, WrongKey):
        raise problem
    if needed:
        raise MissingKey(needed, f"the data key {data_key_id}")
    raise problem or DamagedObject(folder(instance_id, data_key_id) + "1.json", "it is missing")


def add_wrapping(backend: Backend, instance_id: str, data_key_id: str, keyring: Keyring) -> str | None:
    """Wrap a data key again with the current key, as a further copy; rewrites nothing.

    Returns the new object's name; None when the current key wraps it already.
    """
    while True:
        names = list_wrapped(backend, instance_id, data_key_id)
        copies = [read_wrapped(backend, name) for name in names]
        if any(copy.key_encryption_key_id == keyring.current.key_id for copy in copies):
            return None
        key = unwrap(backend, instance_id, data_key_id, keyring)
        try:
            return store_wrapped(backend, key, keyring, copies[0].number + 1, copies[0].purpose)
        except ObjectExists:
            continue  # another rotation was quicker; look again


def data_key_ids(backend: Backend, instance_id: str) -> list[str]:
    """Every data key of the instance that has wrapped copies."""
    start = len(folder(instance_id))
    return sorted({item.name[start:].split("/")[0] for item in backend.list(folder(instance_id))})


def _context(instance_id: str, data_key_id: str, key_encryption_key_id: str) -> dict[str, str]:
    return {
        "purpose": "dataprotect data key",
        "instance_id": instance_id,
        "data_key_id": data_key_id,
        "key_encryption_key_id": key_encryption_key_id,
    }


def _decoded(name: str, document: dict[str, Any]) -> WrappedKey:
    if document["format"] != FORMAT:
        raise ValueError("unknown format")
    return WrappedKey(
        name=name,
        number=int(document["number"]),
        instance_id=str(document["instance_id"]),
        data_key_id=str(document["data_key_id"]),
        key_encryption_key_id=str(document["key_encryption_key_id"]),
        provider=str(document["provider"]),
        wrapped=base64.b64decode(document["wrapped"], validate=True),
        purpose=str(document["purpose"]),
        created_at=str(document["created_at"]),
    )


def _number_of(name: str) -> int:
    stem = name.rpartition("/")[2].removesuffix(".json")
    return int(stem) if stem.isdigit() else -1


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
