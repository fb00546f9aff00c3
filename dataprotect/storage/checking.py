"""The checksum check: every stored object of a backup, read back and compared with the seal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.storage import names, ownership
from dataprotect.storage.backends.base import Backend, ObjectMissing
from dataprotect.storage.documents import DamagedObject, open_document
from dataprotect.storage.keys.base import Keyring
from dataprotect.storage.keys.wrapping import list_wrapped, read_wrapped
from dataprotect.storage.model import Finding
from dataprotect.storage.parallel import for_each
from dataprotect.storage.pipeline.objects import StoredObject
from dataprotect.storage.seal import Seal


def check_objects(
    backend: Backend, seal: Seal, keyring: Keyring, threads: int, reporter: Reporter
) -> list[Finding]:
    """Sizes, SHA-256s, missing and surplus objects, wrapped keys, and the repository's own documents."""
    findings = check_some(backend, seal.folder, seal.objects, threads, reporter)
    return check_surroundings(backend, seal, keyring) + findings


def check_some(
    backend: Backend, folder: str, objects: Sequence[StoredObject], threads: int, reporter: Reporter
) -> list[Finding]:
    """Read these objects back and compare size and SHA-256."""
    compare = partial(_compare, backend, folder, reporter)
    problems = for_each(objects, compare, threads, reporter)
    return [
        Finding(folder + stored.name, problem)
        for stored, problem in zip(objects, problems, strict=True)
        if problem
    ]


def check_surroundings(backend: Backend, seal: Seal, keyring: Keyring) -> list[Finding]:
    """Everything but the bytes of the sealed objects: documents, keys, and what should not be there."""
    findings = _plain_documents(backend, seal.instance_id)
    findings += check_wrapped_keys(backend, seal.instance_id, seal.data_key_id, keyring)
    present = {item.name for item in backend.list(seal.folder)}
    known = {seal.folder + name for name in (names.SEAL, *(item.name for item in seal.objects))}
    return findings + [Finding(name, "it does not belong to this backup") for name in sorted(present - known)]


def check_wrapped_keys(
    backend: Backend, instance_id: str, data_key_id: str, keyring: Keyring
) -> list[Finding]:
    """Each wrapped copy is whole, under its own name, and opens with the key it names where we hold it."""
    findings, opened = [], set()
    for name in list_wrapped(backend, instance_id, data_key_id):
        try:
            if key := read_wrapped(backend, name).unwrap(keyring):
                opened.add(key.secret)
        except (DamagedObject, ObjectMissing) as error:
            findings.append(_finding(name, error))
        except ForeseenError as error:
            findings.append(Finding(name, error.message))
    if len(opened) > 1:
        findings.append(Finding(f"{instance_id}/keys/{data_key_id}", "its copies hold different keys"))
    return findings


def _plain_documents(backend: Backend, instance_id: str) -> list[Finding]:
    findings = []
    for name in (names.REPOSITORY, *ownership.markers(backend, instance_id)):
        try:
            document = open_document(name, backend.read(name))
            if document.get("instance_id", instance_id) != instance_id:
                findings.append(Finding(name, "it belongs to another instance"))
        except (DamagedObject, ObjectMissing) as error:
            findings.append(_finding(name, error))
    return findings


def _finding(name: str, error: DamagedObject | ObjectMissing) -> Finding:
    return Finding(name, error.problem if isinstance(error, DamagedObject) else "it is missing")


def _compare(backend: Backend, folder: str, reporter: Reporter, stored: StoredObject) -> str | None:
    """What is wrong with one object; None when it is as sealed."""
    digest, size = hashlib.sha256(), 0
    try:
        for block in backend.stream(folder + stored.name):
            digest.update(block)
            size += len(block)
            reporter.advance(len(block))
    except ObjectMissing:
        return "it is missing"
    if size != stored.size:
        return f"it has {size} bytes instead of {stored.size}"
    if digest.hexdigest() != stored.sha256:
        return "its SHA-256 is not the sealed one"
    return None
