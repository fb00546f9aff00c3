"""Proving stored log objects, by the second reading of the format (`storage.independent`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter, Silent
from dataprotect.storage.backends.base import ObjectMissing
from dataprotect.storage.independent import Bad, Frame, walk
from dataprotect.storage.keys import wrapping
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.logs.layout import position_text
from dataprotect.storage.logs.model import LogObject
from dataprotect.storage.logs.reader import LogReader
from dataprotect.storage.model import Finding
from dataprotect.storage.repository import Repository

GONE = "it disappeared"


def check_logs(
    repository: Repository,
    instance_id: str,
    items: Iterable[LogObject] | None = None,
    reporter: Reporter | None = None,
) -> list[Finding]:
    """Read every log object (or just `items`) to its last byte; what is wrong with them. No absence is found
    here: compare the stretches (`stretches`) with what the catalog or a backup expects for that.
    """
    findings: list[Finding] = []
    keys: dict[str, DataKey | str] = {}
    listener = reporter or Silent()
    for item in LogReader(repository, instance_id).objects() if items is None else items:
        listener.checkpoint()
        key = _key(repository, instance_id, item.stream.data_key_id, keys)
        problem = key if isinstance(key, str) else _problem(repository, item, key)
        if problem:
            findings.append(Finding(item.name, problem))
        listener.advance(item.size)
    return findings


def _key(
    repository: Repository, instance_id: str, key_id: str, known: dict[str, DataKey | str]
) -> DataKey | str:
    """The data key, or why it cannot be had."""
    if key_id not in known:
        try:
            known[key_id] = wrapping.unwrap(repository.backend, instance_id, key_id, repository.keyring)
        except ForeseenError as error:
            known[key_id] = f"its data key cannot be opened ({error.message})"
    return known[key_id]


def _problem(repository: Repository, item: LogObject, key: DataKey) -> str | None:
    try:
        blocks = repository.backend.stream(item.name)
        frames = walk(blocks, key.secret, key.key_id, item.name, "log")
        header = _header(next(frames, None))
        digest, length = hashlib.sha256(), 0
        for frame in frames:
            digest.update(frame.plain)
            length += len(frame.plain)
    except Bad as error:
        return str(error)
    except ObjectMissing:
        return GONE
    return _disagreement(item, header, digest.hexdigest(), length)


def _header(frame: Frame | None) -> dict[str, object]:
    try:
        found = json.loads(frame.plain) if frame else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Bad("its header frame cannot be understood")
    return found


def _disagreement(item: LogObject, header: dict[str, object], digest: str, length: int) -> str | None:
    if header.get("sha256") != digest:
        return "its SHA-256 does not match"
    if item.kind != "history" and length != item.end - item.start:
        return f"it holds {length} bytes instead of {item.end - item.start}"
    expected = {
        "kind": item.kind, "segment": item.segment, "timeline": item.timeline,
        "start": position_text(item.start), "end": position_text(item.end),
    }  # fmt: skip
    wrong = [name for name, value in expected.items() if header.get(name) != value]
    return f"its header does not agree with its name ({', '.join(wrong)})" if wrong else None
