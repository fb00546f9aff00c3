"""Streams: which there are, and which one a writer goes on with."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any

from dataprotect.core import steps
from dataprotect.core.clock import compact, iso, now, parse_iso
from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import Backend, ObjectMissing
from dataprotect.storage.documents import DamagedObject, open_document, sealed_document
from dataprotect.storage.keys import wrapping
from dataprotect.storage.keys.base import Keyring
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.logs import layout
from dataprotect.storage.logs.model import Stream

FORMAT = 1


def read_streams(backend: Backend, instance_id: str, damaged: list[str] | None = None) -> list[Stream]:
    """Every stream, oldest first. A damaged document raises DamagedObject, or its name goes to `damaged`."""
    found = []
    for folder in backend.folders(layout.logs_folder(instance_id)):
        name = folder + layout.STREAM
        try:
            found.append(_stream(name, open_document(name, backend.read(name))))
        except ObjectMissing:
            continue
        except DamagedObject:
            if damaged is None:
                raise
            damaged.append(name)
    return sorted(found, key=lambda stream: (stream.started_at, stream.stream_id))


def keys_needed(backend: Backend, instance_id: str, keys: Collection[str]) -> set[str]:
    """Those of `keys` that a stream needs. One unreadable stream may need any of them, so it keeps all."""
    damaged: list[str] = []
    needed = {stream.data_key_id for stream in read_streams(backend, instance_id, damaged)}
    return set(keys) if damaged else needed & set(keys)


def begin(
    backend: Backend, keyring: Keyring, instance_id: str, *, engine: str, system_identifier: str,
    segment_size: int, lineage: str,
) -> tuple[Stream, DataKey]:  # fmt: skip
    """A new stream: its document first (it reserves the key against sweeping), then the wrapped key."""
    key, started = wrapping.new_data_key(instance_id), now()
    stream_id = f"{compact(started)}-{secrets.token_hex(4)}"
    stream = Stream(
        stream_id, lineage or stream_id, engine, system_identifier, key.key_id,
        parse_iso(iso(started)), segment_size,
    )  # fmt: skip
    name = layout.stream_folder(instance_id, stream_id) + layout.STREAM
    steps.reached("storage.log.before_stream")
    backend.put(name, sealed_document(_document(instance_id, stream)))
    steps.reached("storage.log.after_stream")
    wrapping.store_wrapped(backend, key, keyring, 1, purpose=f"logs {stream_id}")
    return stream, key


def go_on(
    backend: Backend, keyring: Keyring, instance_id: str, stream: Stream, at: datetime
) -> DataKey | None:
    """The key of a stream that may still take objects: of this month, and made under the current
    key-encryption key (so a rotation begins a new one). None when a new stream is due.
    """
    if (stream.started_at.year, stream.started_at.month) != (at.year, at.month):
        return None
    name = f"{wrapping.folder(instance_id, stream.data_key_id)}1.json"
    try:
        first = wrapping.read_wrapped(backend, name)
        if first.key_encryption_key_id != keyring.current.key_id:
            return None
        return first.unwrap(keyring)
    except (ObjectMissing, DamagedObject):
        return None  # died between the document and the key, or damaged: its objects use other copies


def _document(instance_id: str, stream: Stream) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "instance_id": instance_id,
        "stream_id": stream.stream_id,
        "lineage": stream.lineage,
        "engine": stream.engine,
        "system_identifier": stream.system_identifier,
        "data_key_id": stream.data_key_id,
        "started_at": iso(stream.started_at),
        "wal_segment_size": stream.segment_size,
    }


def _stream(name: str, document: dict[str, Any]) -> Stream:
    try:
        if document["format"] != FORMAT:
            raise ForeseenError(
                "repository.format",
                f"The log stream {name} has format {document['format']}; this version reads format {FORMAT}.",
                "Use the version of the program that wrote it, or a newer one.",
            )
        return Stream(
            stream_id=str(document["stream_id"]),
            lineage=str(document["lineage"]),
            engine=str(document["engine"]),
            system_identifier=str(document["system_identifier"]),
            data_key_id=str(document["data_key_id"]),
            started_at=parse_iso(document["started_at"]),
            segment_size=int(document["wal_segment_size"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedObject(name, "a field is missing or of the wrong kind") from error
