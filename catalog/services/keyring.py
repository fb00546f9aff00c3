"""The installation's key-encryption keys: a file in the home, and rows that name them."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from catalog.models import EncryptionKey
from catalog.services.access import Actor
from catalog.services.cleaning import save_clean
from catalog.states import KeyKind
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import home
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.keys.local import LocalKey, LocalKeyring

_FILE = "keyring.json"


def keyring_path() -> Path:
    """Where the keyring lies; its copy belongs in a safe, apart from every repository."""
    return home.keys() / _FILE


def keyring_open() -> LocalKeyring:
    """Raises `key.file_missing`, `key.exposed`, `key.damaged`, `key.inside_repository`."""
    return LocalKeyring.load(keyring_path())


def keyring_ensure(*, actor: Actor) -> LocalKeyring:
    """The keyring, made at the first call of a new installation.

    When the catalog knows of keys but the file is gone, a new key would open nothing: that is refused.
    """
    path = keyring_path()
    if not path.exists() and not EncryptionKey.objects.exists():
        _create(path)
    keyring = keyring_open()
    if not EncryptionKey.objects.filter(key_id=keyring.current.key_id).exists():
        _record_all(actor, keyring)
    return keyring


def _create(path: Path) -> None:
    try:
        LocalKeyring.create(path)
    except ForeseenError as error:
        if error.code != "key.exists":  # another process was quicker: its key is as good
            raise


def _record_all(actor: Actor, keyring: LocalKeyring) -> None:
    with transaction.atomic():
        for key_id in keyring.key_ids:
            key = keyring.find(key_id)
            if key is not None and not EncryptionKey.objects.filter(key_id=key_id).exists():
                key_record(actor=actor, keyring=keyring, key=key)


@transaction.atomic
def key_record(*, actor: Actor, keyring: LocalKeyring, key: LocalKey) -> EncryptionKey:
    """A row for a key of the ring. The ring's current key becomes the current row."""
    is_current = key.key_id == keyring.current.key_id
    if is_current:
        EncryptionKey.objects.filter(is_current=True).update(is_current=False)
    row = EncryptionKey(
        key_id=key.key_id,
        kind=KeyKind.LOCAL,
        location=str(keyring.path),
        is_current=is_current,
        created_at=clock.parse_iso(key.created_at),
    )
    save_clean(row)
    audit_record(actor=actor, verb="key.added", subject=row, data={"key_id": key.key_id, "kind": row.kind})
    return row
