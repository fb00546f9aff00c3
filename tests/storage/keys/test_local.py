"""The keyring file: private, never overwritten, strict about what it reads."""

from __future__ import annotations

import json
import os
import stat

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.keys.base import WrongKey
from dataprotect.storage.keys.local import LocalKeyring

CONTEXT = {"data_key_id": "00ff", "instance_id": "i"}


def test_the_file_is_created_private_whatever_the_umask(tmp_path):
    for mask in (0, 0o077, 0o777):
        old = os.umask(mask)
        try:
            keyring = LocalKeyring.create(tmp_path / f"k{mask}.json")
        finally:
            os.umask(old)
        assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600


def test_an_existing_keyring_is_never_overwritten(tmp_path):
    first = LocalKeyring.create(tmp_path / "k.json")
    before = first.path.read_bytes()
    with pytest.raises(ForeseenError) as caught:
        LocalKeyring.create(tmp_path / "k.json")
    assert caught.value.code == "key.exists"
    assert first.path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666])
def test_a_file_that_others_can_use_is_refused(tmp_path, mode):
    LocalKeyring.create(tmp_path / "k.json")
    (tmp_path / "k.json").chmod(mode)
    with pytest.raises(ForeseenError) as caught:
        LocalKeyring.load(tmp_path / "k.json")
    assert caught.value.code == "key.exposed"


def test_what_was_wrapped_is_unwrapped_after_reloading(tmp_path):
    wrapped = LocalKeyring.create(tmp_path / "k.json").current.wrap(bytes(32), CONTEXT)
    assert LocalKeyring.load(tmp_path / "k.json").current.unwrap(wrapped, CONTEXT) == bytes(32)


def test_the_context_and_every_bit_count(tmp_path):
    key = LocalKeyring.create(tmp_path / "k.json").current
    wrapped = key.wrap(bytes(32), CONTEXT)
    assert wrapped != key.wrap(bytes(32), CONTEXT)
    with pytest.raises(WrongKey):
        key.unwrap(wrapped, CONTEXT | {"instance_id": "j"})
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        with pytest.raises(WrongKey):
            key.unwrap(bytes(changed), CONTEXT)
    for length in (0, 5, 12, 20, len(wrapped) - 1):
        with pytest.raises(WrongKey):
            key.unwrap(wrapped[:length], CONTEXT)


def test_a_new_key_becomes_current_and_the_old_ones_stay(tmp_path):
    keyring = LocalKeyring.create(tmp_path / "k.json")
    old = keyring.current
    new = keyring.add_key()
    again = LocalKeyring.load(tmp_path / "k.json")
    assert again.current.key_id == new.key_id == keyring.current.key_id != old.key_id
    assert again.find(old.key_id) == old
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["k.json"]


def test_a_failed_addition_keeps_the_old_file(tmp_path, monkeypatch):
    keyring = LocalKeyring.create(tmp_path / "k.json")
    before = keyring.path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keyring.add_key()
    assert keyring.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["k.json"]
    assert len(keyring.key_ids) == 1


def _without(name):
    return lambda document: {key: value for key, value in document.items() if key != name}


@pytest.mark.parametrize(
    "spoil",
    [
        _without("keys"),
        _without("current"),
        lambda document: document | {"current": "another"},
        lambda document: document | {"format": 2},
        lambda document: document | {"keys": []},
        lambda document: document | {"keys": [document["keys"][0] | {"key": "c2hvcnQ="}]},
        lambda document: document | {"keys": [document["keys"][0] | {"key": "not base64!"}]},
        lambda document: [document],
    ],
)
def test_a_spoilt_file_is_one_clear_error(tmp_path, spoil):
    path = LocalKeyring.create(tmp_path / "k.json").path
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(ForeseenError) as caught:
        LocalKeyring.load(path)
    assert caught.value.code == "key.damaged"


def test_a_missing_or_unreadable_file_is_one_clear_error(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ForeseenError) as caught:
            LocalKeyring.load(path)
        assert caught.value.code in ("key.file_missing", "key.exposed")


def test_keys_are_never_printed(tmp_path):
    keyring = LocalKeyring.create(tmp_path / "k.json")
    secret = keyring.current.secret
    assert repr(secret) not in repr(keyring.current)
    assert secret.hex() not in repr(keyring.current)
