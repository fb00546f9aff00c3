"""From rows to what the engine works with."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from django.conf import settings

from catalog.models import Instance, Repository
from catalog.services.keyring import keyring_open
from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.engine.model import Address, Source, Tls, TlsMode
from dataprotect.ops import secrets
from dataprotect.storage.backends.limit import LimitedBackend, TokenBucket
from dataprotect.storage.backends.retry import RetryingBackend
from dataprotect.storage.repository import Repository as StoredRepository
from dataprotect.storage.repository import Wrap

PASSWORD_FIELD = "password_sealed"  # noqa: S105  the name of a column


def source_of(instance: Instance) -> Source:
    """The instance with its password opened: for the engine, never to be stored or logged."""
    return source_with(instance, secrets.open_field(instance, PASSWORD_FIELD))


def source_with(instance: Instance, password: Secret | None) -> Source:
    """The same with a password that is not stored (yet)."""
    return Source(
        instance_id=instance.identifier,
        name=instance.name,
        address=Address(
            host=instance.host,
            port=instance.port,
            user=instance.user,
            password=password,
            database=instance.database,
            tls=_tls(instance),
        ),
        data_directory=_path(instance.data_directory),
        labels={
            "environment": instance.environment,
            "tier": instance.tier.name,
            "region": instance.region,
        },
    )


def _tls(instance: Instance) -> Tls:
    return Tls(
        mode=cast(TlsMode, instance.tls_mode),
        ca_file=_path(instance.tls_ca_file),
        certificate_file=_path(instance.tls_certificate_file),
        key_file=_path(instance.tls_key_file),
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def repository_open(row: Repository, *, write: bool = False, rate: float | None = None) -> StoredRepository:
    """The repository behind a row. Raises `repository.another` when another one lies at its address now.

    rate  at most so many bytes per second through this door; None: no limit
    """
    wrap = None if rate is None else _limited_to(rate)
    found = StoredRepository.open(row.url, keyring_open(), write=write, wrap=wrap)
    if row.repository_id and found.repository_id != row.repository_id:
        raise ForeseenError(
            "repository.another",
            f"At the address of {row.name} there is another repository than the one registered.",
            "Check what is mounted there; register the other one under a name of its own.",
        )
    return found


def _limited_to(rate: float) -> Wrap:
    """The default wrapper, and a limit outside it: what is repeated counts once."""
    return lambda backend: LimitedBackend(RetryingBackend(backend), TokenBucket(rate))


def server_binaries() -> dict[int, Path]:
    """Folders of server programs by major version, from the setting POSTGRESQL_BINARIES (`17=/opt/pg17/bin`).

    Distributions' own places are found without it. Raises `settings.postgresql_binaries`.
    """
    found = {}
    for words in settings.POSTGRESQL_BINARIES:
        major, sign, folder = words.partition("=")
        if not sign or not major.isascii() or not major.isdigit() or not folder.startswith("/"):
            raise ForeseenError(
                "settings.postgresql_binaries",
                f"The setting POSTGRESQL_BINARIES is not usable: expected 17=/folder, got {words[:100]!r}.",
                "Correct POSTGRESQL_BINARIES and start again; docs/operations.md lists every setting.",
            )
        found[int(major)] = Path(folder)
    return found
