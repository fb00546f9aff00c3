"""An instance's row from what its backups say about it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from catalog.models import Instance, Repository, Tier
from catalog.services.cleaning import save_clean
from catalog.states import Environment
from dataprotect.ops.context import JobContext
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.repository import Repository as StoredRepository
from dataprotect.storage.repository import Seal

_DEFAULT_TIER = "standard"


def instance_rebuild(
    *, context: JobContext, repository: Repository, stored: StoredRepository, seals: list[Seal]
) -> Instance | None:
    """The row, saved, from the newest backup whose manifest can be read; None when none can.

    Its password is in no repository: it is given again before the next backup.
    """
    registered = _registration(stored, seals)
    if registered is None:
        return None
    row = _row(repository, seals[-1], registered)
    with transaction.atomic():
        context.hold()
        save_clean(row)
        data = {"name": row.name, "repository": repository.name}
        audit_record(actor=context.actor, verb="instance.rebuilt", subject=row, data=data)
    return row


def _registration(stored: StoredRepository, seals: list[Seal]) -> dict[str, Any] | None:
    for seal in reversed(seals):
        try:
            attached = stored.read(seal.instance_id, seal.backup_id).attachments()
        except DamagedObject:
            continue
        if "instance" in attached:
            return dict(attached["instance"])
    return None


def _row(repository: Repository, newest: Seal, registered: dict[str, Any]) -> Instance:
    labels = registered.get("labels", {})
    environment = labels.get("environment")
    return Instance(
        identifier=newest.instance_id,
        name=_free_name(str(registered["name"]), newest.instance_id),
        engine=registered["engine"],
        host=registered["host"],
        port=registered["port"],
        user=registered["user"],
        database=registered["database"],
        data_directory=registered["data_directory"],
        tls_mode=registered["tls_mode"],
        tls_ca_file=registered["tls_ca_file"],
        tls_certificate_file=registered["tls_certificate_file"],
        tls_key_file=registered["tls_key_file"],
        environment=environment if environment in Environment.values else Environment.PRODUCTION,
        tier=_tier(labels.get("tier", "")),
        region=labels.get("region", ""),
        repository=repository,
        system_identifier=str(newest.facts.get("system_identifier", "")),
        server_version=str(newest.facts.get("server_version", ""))[:120],
    )


def _free_name(name: str, identifier: str) -> str:
    """The name it had, unless another instance has it by now."""
    return identifier[:63] if Instance.objects.filter(name=name).exists() else name


def _tier(name: str) -> Tier:
    return Tier.objects.filter(name=name).first() or Tier.objects.get(name=_DEFAULT_TIER)
