"""Registering a repository: a new one is made, one that is there already is taken on."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from catalog.models import Repository
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.services.keyring import keyring_ensure
from catalog.states import RepositoryState
from dataprotect.core import clock, validation
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.keys.base import Keyring
from dataprotect.storage.repository import Repository as StoredRepository


def repository_add(*, actor: Actor, name: str, url: str, region: str = "") -> Repository:
    """Make or open the repository at `url` and register it. Nothing in it is changed if it is there already.

    Raises ForeseenError: `access.denied`, `input.…`, and what the storage says about the place.
    """
    require(actor=actor, permission="catalog.add_repository")
    name = validation.repository_name(name)
    url = repository_url(url)
    region = validation.region(region) if region else ""
    _refuse_known(name, url)
    stored, created = _open_or_initialise(url, keyring_ensure(actor=actor))
    row = Repository(
        name=name,
        url=url,
        region=region,
        repository_id=stored.repository_id,
        state=RepositoryState.READY,
        checked_at=clock.now(),
        free_bytes=stored.free_bytes(),
    )
    with transaction.atomic():
        save_clean(row)
        data = {"name": name, "url": url, "region": region, "created": created}
        audit_record(actor=actor, verb="repository.added", subject=row, data=data)
    return row


def repository_url(url: str) -> str:
    """The one validator of addresses, with this installation's allowed places."""
    return validation.repository_url(
        url,
        local_prefixes=settings.LOCAL_REPOSITORY_PREFIXES,
        bucket_prefixes=settings.BUCKET_PREFIXES,
    )


def _refuse_known(name: str, url: str) -> None:
    """Before anything is created at the address."""
    if Repository.objects.filter(name=name).exists():
        raise InvalidInput("name", f"There is a repository with this name already: {name}.")
    if (other := Repository.objects.filter(url=url).first()) is not None:
        raise InvalidInput("url", f"This address is registered already, as {other.name}.")


def _open_or_initialise(url: str, keyring: Keyring) -> tuple[StoredRepository, bool]:
    try:
        return StoredRepository.open(url, keyring), False
    except ForeseenError as error:
        if error.code != "repository.missing":
            raise
    return StoredRepository.initialise(url, keyring), True
