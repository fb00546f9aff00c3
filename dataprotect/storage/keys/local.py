"""Key-encryption keys in a file of this machine.

The file holds the only way into every backup, so it is refused where losing or leaking it is likely:
inside a repository, or readable by others than its owner.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataprotect.core.clock import iso, now
from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends import local_path
from dataprotect.storage.documents import canonical
from dataprotect.storage.keys.base import Context, WrongKey

FORMAT = 1
_NONCE = 12
_MARKER = "repository.json"


@dataclass(frozen=True, slots=True)
class LocalKey:
    """An AES-256 key; wraps as nonce (12 bytes) + ciphertext + tag, the context as associated data."""

    key_id: str
    created_at: str
    secret: bytes = field(repr=False)
    provider: str = "local"

    def wrap(self, data_key: bytes, context: Context) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.secret).encrypt(nonce, data_key, canonical(context))

    def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        try:
            return AESGCM(self.secret).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], canonical(context))
        except (InvalidTag, ValueError) as error:
            what = f"the data key {context.get('data_key_id', '')}"
            raise WrongKey(self.key_id, what) from error


class LocalKeyring:
    """The keys of one keyring file. Build it with `create` or `load`."""

    def __init__(self, path: Path, keys: list[LocalKey], current: str) -> None:
        self.path = path
        self._keys = {key.key_id: key for key in keys}
        self._current = current

    @classmethod
    def create(cls, path: Path) -> LocalKeyring:
        """A new file with one new key, mode 0600, durable. Raises `key.exists`, `key.inside_repository`."""
        _refuse_inside_repository(path)
        key = _new_key()
        keyring = cls(path, [key], key.key_id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            _write_new(path, keyring._encoded())
        except FileExistsError as error:
            raise ForeseenError(
                "key.exists",
                f"The keyring file {path} exists already.",
                "Use it, or name another file; a keyring is never overwritten.",
            ) from error
        return keyring

    @classmethod
    def load(cls, path: Path) -> LocalKeyring:
        """Raises `key.file_missing`, `key.exposed`, `key.damaged`, `key.inside_repository`."""
        _refuse_inside_repository(path)
        document = _parse(path, _read_private(path))
        try:
            keys = [_decoded(item) for item in document["keys"]]
            return cls(path, keys, {key.key_id: key.key_id for key in keys}[document["current"]])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path) from error

    @property
    def current(self) -> LocalKey:
        return self._keys[self._current]

    @property
    def key_ids(self) -> list[str]:
        return list(self._keys)

    def find(self, key_id: str) -> LocalKey | None:
        return self._keys.get(key_id)

    def add_key(self) -> LocalKey:
        """A new current key; the old ones stay, for what they wrapped. The file is replaced atomically."""
        key = _new_key()
        grown = LocalKeyring(self.path, [*self._keys.values(), key], key.key_id)
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            _write_new(temporary, grown._encoded())
            temporary.replace(self.path)
            _sync_folder(self.path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._keys, self._current = grown._keys, grown._current
        return key

    def check_outside(self, repository_url: str) -> None:
        root = local_path(repository_url)
        if root is not None and self.path.resolve().is_relative_to(root.resolve()):
            raise _inside(self.path, root)

    def _encoded(self) -> bytes:
        keys = [
            {
                "id": key.key_id,
                "created_at": key.created_at,
                "key": base64.b64encode(key.secret).decode("ascii"),
            }
            for key in self._keys.values()
        ]
        document = {"format": FORMAT, "current": self._current, "keys": keys}
        return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _new_key() -> LocalKey:
    return LocalKey(f"local-{secrets.token_hex(8)}", iso(now()), secrets.token_bytes(32))


def _decoded(item: dict[str, Any]) -> LocalKey:
    """Raises KeyError, TypeError or ValueError (binascii.Error is one) for anything but a key."""
    secret = base64.b64decode(item["key"], validate=True)
    if len(secret) != 32:
        raise binascii.Error("a key has 32 bytes")
    return LocalKey(str(item["id"]), str(item["created_at"]), secret)


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _damaged(path)
    return document


def _damaged(path: Path) -> ForeseenError:
    return ForeseenError(
        "key.damaged",
        f"The keyring file {path} is not a keyring of format {FORMAT}.",
        "Bring back the copy of the keyring that you keep apart from the repository.",
    )


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise ForeseenError(
                    "key.exposed",
                    f"The keyring file {path} can be read by other users (mode {mode:04o}).",
                    f"Run chmod 600 {path}, and rotate the key if others may have seen it.",
                )
            return stream.read()
    except OSError as error:
        raise ForeseenError(
            "key.file_missing",
            f"The keyring file {path} cannot be read: {error.strerror}.",
            "Name the keyring file that was created with the repository.",
        ) from error


def _refuse_inside_repository(path: Path) -> None:
    """A key beside the data it locks protects nothing, and is lost together with it."""
    resolved = path.resolve()
    for folder in resolved.parents:
        if (folder / _MARKER).exists():
            raise _inside(path, folder)


def _inside(path: Path, root: Path) -> ForeseenError:
    return ForeseenError(
        "key.inside_repository",
        f"The keyring file {path} lies inside the repository {root}.",
        "Keep the keyring outside every repository, with a copy in a safe place.",
    )


def _write_new(path: Path, data: bytes) -> None:
    """Create `path` 0600 with `data`, durable; FileExistsError when it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
