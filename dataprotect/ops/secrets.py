"""Secrets at rest: AES-256-GCM under a named key, bound to the row and field they belong to.

A sealed text is `v1:<key id>:<base64 of nonce + ciphertext + tag>`. The key never lies in the database: the
ring is `keys/secrets.json` in the home, 0600, `{"current": id, "keys": {id: base64 of 32 bytes}}`. Rotation
adds a key and makes it current; the older ones stay for what they sealed until `reseal` has moved it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import models

from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.ops import home
from dataprotect.ops.masking import remember

_VERSION = "v1"
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, repr=False)
class Ring:
    """Every key by id, and which one seals."""

    current: str
    keys: dict[str, bytes]

    def key(self, key_id: str) -> bytes:
        if key_id not in self.keys:
            raise _refused(f"the key {key_id[:40]!r} is not in the ring {_file()}")
        return self.keys[key_id]


def row_aad(row: models.Model, field: str) -> bytes:
    """The associated data of one field of one row. The row needs its primary key first."""
    if row.pk is None:
        raise ValueError("a secret is bound to its row: save the row before sealing")
    return aad(row._meta.app_label, row._meta.model_name or "", str(row.pk), field)


def aad(*parts: str) -> bytes:
    """Unambiguous: lengths are part of it, so that ("a", "bc") and ("ab", "c") differ."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def seal(secret: Secret, associated: bytes) -> str:
    """The sealed text to store; a new nonce each time."""
    ring = _ring()
    nonce = os.urandom(_NONCE_BYTES)
    boxed = AESGCM(ring.key(ring.current)).encrypt(nonce, secret.reveal().encode(), associated)
    return f"{_VERSION}:{ring.current}:{base64.b64encode(nonce + boxed).decode()}"


def open_sealed(sealed: str, associated: bytes) -> Secret:
    """The secret again. Raises ForeseenError `secret.refused` for another row or field, or a changed text."""
    key_id, blob = _parse(sealed)
    try:
        plain = AESGCM(_ring().key(key_id)).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], associated)
    except InvalidTag:
        raise _refused("it was sealed for another row or field, or it was changed") from None
    remember(plain.decode())
    return Secret(plain.decode())


def seal_field(row: models.Model, field: str, secret: Secret) -> str:
    """`seal` for `field` of `row`; the caller stores the text and saves."""
    return seal(secret, row_aad(row, field))


def open_field(row: models.Model, field: str) -> Secret | None:
    """What `field` of `row` holds, or None when it is empty."""
    sealed = str(getattr(row, field) or "")
    return open_sealed(sealed, row_aad(row, field)) if sealed else None


def needs_reseal(sealed: str) -> bool:
    """True when an older key than the current one sealed it."""
    return _parse(sealed)[0] != _ring().current


def reseal(sealed: str, associated: bytes) -> str:
    """The same secret under the current key."""
    return seal(open_sealed(sealed, associated), associated)


def rotate() -> str:
    """Add a key and make it current. Returns its id."""
    ring, key_id = _ring(), _new_id()
    _write(Ring(key_id, ring.keys | {key_id: AESGCM.generate_key(256)}), replace=True)
    return key_id


def mac(purpose: str, message: bytes) -> str:
    """`<key id>:<hex>`: an HMAC-SHA256 nobody can make with the database alone."""
    ring = _ring()
    return f"{ring.current}:{_mac(ring, ring.current, purpose, message)}"


def mac_is_right(purpose: str, message: bytes, given: str) -> bool:
    key_id, _, digest = given.partition(":")
    ring = _ring()
    return key_id in ring.keys and hmac.compare_digest(_mac(ring, key_id, purpose, message), digest)


def _mac(ring: Ring, key_id: str, purpose: str, message: bytes) -> str:
    derived = hmac.digest(ring.key(key_id), aad("dataprotect", purpose), hashlib.sha256)
    return hmac.new(derived, message, hashlib.sha256).hexdigest()


def _parse(sealed: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(":")
    key_id, _, encoded = rest.partition(":")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError:
        blob = b""
    if version != _VERSION or len(blob) < _NONCE_BYTES + 16:
        raise _refused("it is not a sealed text")
    return key_id, blob


def _refused(why: str) -> ForeseenError:
    return ForeseenError(
        "secret.refused", f"A stored secret cannot be opened: {why}.",
        "Enter the password of this object again, or bring back the key ring that belongs to this database.",
    )  # fmt: skip


def _file() -> Path:
    return home.keys() / "secrets.json"


def _ring() -> Ring:
    """Read anew each time (a few microseconds): a rotation by another process counts at once."""
    file = _file()
    if not file.exists():
        first = _new_id()
        _write(Ring(first, {first: AESGCM.generate_key(256)}), replace=False)
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ForeseenError(
            "secret.key_ring", f"The key ring {file} can be read by others.", f"Run: chmod 600 {file}"
        )
    try:
        raw = json.loads(file.read_text())
        return Ring(raw["current"], {name: base64.b64decode(key) for name, key in raw["keys"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForeseenError(
            "secret.key_ring", f"The key ring {file} is damaged.", "Bring it back from your copy of the home."
        ) from error


def _write(ring: Ring, *, replace: bool) -> None:
    """Whole or not at all; without `replace` the first of several starting processes wins."""
    file = _file()
    draft = file.with_name(f".{file.name}-{os.getpid()}-{secrets.token_hex(4)}")
    keys = {name: base64.b64encode(key).decode() for name, key in ring.keys.items()}
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as out:
            json.dump({"current": ring.current, "keys": keys}, out)
            out.flush()
            os.fsync(out.fileno())
        if replace:
            draft.replace(file)
        else:
            os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _new_id() -> str:
    return f"k{secrets.token_hex(4)}"
