"""What a key-encryption key can do, wherever it lives, and what goes wrong with keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dataprotect.core.errors import ForeseenError

Context = Mapping[str, str]
"""Bound to the wrapping and needed again to unwrap (AWS KMS calls it the encryption context)."""


class KeyEncryptionKey(Protocol):
    """Wraps data keys and never leaves its home."""

    @property
    def key_id(self) -> str:
        """Stable name, stored with every wrapped copy. `[A-Za-z0-9:/_.-]{1,256}`."""

    @property
    def provider(self) -> str:
        """`local`, `aws-kms` or `vault`."""

    def wrap(self, data_key: bytes, context: Context) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        """Raises WrongKey when this key did not wrap it, or the context is another."""


class Keyring(Protocol):
    """Several key-encryption keys, one of which wraps what is new."""

    @property
    def current(self) -> KeyEncryptionKey: ...

    def find(self, key_id: str) -> KeyEncryptionKey | None: ...

    def check_outside(self, repository_url: str) -> None:
        """Raises `key.inside_repository` when the keys are kept in that repository."""


class WrongKey(ForeseenError):
    def __init__(self, key_id: str, what: str) -> None:
        super().__init__(
            "key.wrong",
            f"The key-encryption key {key_id} does not open {what}: it is another key under the same name.",
            f"Use the keyring that holds the genuine key {key_id}.",
        )


class MissingKey(ForeseenError):
    def __init__(self, key_ids: list[str], what: str) -> None:
        needed = " or ".join(sorted(set(key_ids)))
        super().__init__(
            "key.missing",
            f"Opening {what} needs the key-encryption key {needed}, which is not in the keyring.",
            f"Use the keyring that holds {needed}.",
        )
