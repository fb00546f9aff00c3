"""Which cluster an instance's folder belongs to. Markers are only ever added, and the newest one counts: the
cluster that was replaced may not write there any more, and what it wrote stays.
"""

from __future__ import annotations

from contextlib import suppress

from dataprotect.core.clock import iso, now
from dataprotect.core.errors import ForeseenError
from dataprotect.storage import names
from dataprotect.storage.backends.base import Backend, ObjectExists, ObjectMissing
from dataprotect.storage.documents import open_document, sealed_document
from dataprotect.storage.seal import FORMAT


def claim(backend: Backend, instance_id: str, system_identifier: str) -> None:
    """Raises `repository.foreign_cluster` when it belongs to a cluster with another identifier."""
    names.check_identifier("instance_id", instance_id)
    try:
        _put(backend, instance_id, system_identifier, 1)
    except ObjectExists:
        known = owner(backend, instance_id)
        if known != system_identifier:
            raise _foreign(instance_id, str(known), system_identifier) from None


def accept(backend: Backend, instance_id: str, system_identifier: str) -> None:
    """A marker behind the newest one; nothing when that is this cluster's already."""
    known = owners(backend, instance_id)
    while not known or known[-1] != system_identifier:
        with suppress(ObjectExists):  # somebody accepted at the same time: look again
            _put(backend, instance_id, system_identifier, len(known) + 1)
        known = owners(backend, instance_id)


def owner(backend: Backend, instance_id: str) -> str | None:
    """The system identifier of the newest marker; None when nobody has claimed the folder."""
    known = owners(backend, instance_id)
    return known[-1] if known else None


def markers(backend: Backend, instance_id: str) -> list[str]:
    """The names of all markers that should be there: the first always, and each that was added."""
    added = {item.name for item in backend.list(f"{instance_id}/instance-")}
    return [names.instance_marker(instance_id, number) for number in range(1, len(added) + 2)]


def owners(backend: Backend, instance_id: str) -> list[str]:
    """The system identifiers of all markers, the oldest first. Raises DamagedObject."""
    names.check_identifier("instance_id", instance_id)
    found: list[str] = []
    while True:
        name = names.instance_marker(instance_id, len(found) + 1)
        try:
            found.append(str(open_document(name, backend.read(name))["system_identifier"]))
        except ObjectMissing:
            return found


def _put(backend: Backend, instance_id: str, system_identifier: str, number: int) -> None:
    marker = {
        "format": FORMAT,
        "instance_id": instance_id,
        "system_identifier": system_identifier,
        "claimed_at": iso(now()),
    }
    backend.put(names.instance_marker(instance_id, number), sealed_document(marker))


def _foreign(instance_id: str, owner: str, claimed: str) -> ForeseenError:
    return ForeseenError(
        "repository.foreign_cluster",
        f"The folder {instance_id} belongs to the cluster {owner}, and this server is the cluster {claimed}.",
        "Correct the instance's address, or register this server as an instance of its own. When it replaces "
        f"the other one on purpose (a major upgrade), run: manage.py accept_cluster NAME {claimed}",
    )
