"""A second reading of the repository format, for verification only.

It shares no code with the writer and the restore (frames.py, manifest_reader.py), so that a mistake
made there is found here instead of being blessed. Written from docs/repository-format.md.
"""

from __future__ import annotations

import hmac
import io
import struct
from collections.abc import Iterator
from typing import NamedTuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

_HEADER, _FRAME_HEADER, _TAG = 56, 12, 16
_LARGEST = 4 << 20
KINDS = {"pack": 1, "manifest": 2, "log": 3}


class Bad(Exception):
    """What is wrong, in words; the caller knows the object's name."""


class Frame(NamedTuple):
    """A decoded frame and where it lay: `offset` and `stored` in bytes of the object."""

    number: int
    offset: int
    stored: int
    plain: bytes


def expand_key(secret: bytes, salt: bytes, info: str) -> bytes:
    """RFC 5869 with SHA-256, one block of output (32 bytes)."""
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


class Opener:
    """Opens the frames of one object, given the object's first bytes."""

    def __init__(self, secret: bytes, data_key_id: str, name: str, kind: str, header: bytes) -> None:
        expected = b"DPRO\x00\x01" + bytes([KINDS[kind], 0]) + bytes.fromhex(data_key_id)
        if len(header) != _HEADER:
            raise Bad("it ends within its header")
        if header[:24] != expected:
            raise Bad("its header is wrong")
        self._key = AES256(expand_key(secret, header[24:], f"dataprotect/1 object {name}"))
        self._name = name.encode()

    def decrypt(self, index: int, plain: int, flags: int, sealed: bytes) -> bytes:
        """The still compressed bytes of a frame. Raises Bad."""
        mode = GCM(struct.pack(">IQ", 0, index), sealed[-_TAG:])
        decryptor = Cipher(self._key, mode).decryptor()
        decryptor.authenticate_additional_data(self._name + struct.pack(">BQII", 0, index, plain, flags))
        try:
            return decryptor.update(sealed[:-_TAG]) + decryptor.finalize()
        except InvalidTag as error:
            raise Bad(f"frame {index} fails its authentication") from error

    def decode(self, index: int, plain: int, sealed: bytes) -> bytes:
        """The plain bytes of a data frame. Raises Bad."""
        try:
            with zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(self.decrypt(index, plain, 0, sealed)), read_across_frames=False
            ) as stream:
                data = stream.read(plain + 1)
        except zstandard.ZstdError as error:
            raise Bad(f"frame {index} does not decompress") from error
        if len(data) != plain:
            raise Bad(f"frame {index} does not have {plain} bytes")
        return data


class ByteStream:
    """Takes exact amounts from blocks of any size, and knows how far it is."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest, self.position = blocks, b"", 0

    def take(self, length: int) -> bytes:
        parts, missing = [], length
        while missing:
            if not self._rest:
                self._rest = next(self._blocks, b"")
            if not self._rest:
                raise Bad("it ends too early")
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        self.position += length
        return b"".join(parts)

    def at_end(self) -> bool:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return True
            self._rest = block
        return False


def walk(blocks: Iterator[bytes], secret: bytes, data_key_id: str, name: str, kind: str) -> Iterator[Frame]:
    """Every data frame of an object from its first byte to its last. Raises Bad at the first wrong thing."""
    stream = ByteStream(blocks)
    opener = Opener(secret, data_key_id, name, kind, stream.take(_HEADER))
    index = 0
    while True:
        offset = stream.position
        length, plain, flags = struct.unpack(">III", stream.take(_FRAME_HEADER))
        if not _TAG <= length <= _LARGEST or plain > _LARGEST or flags > 1 or (plain == 0) != (flags == 1):
            raise Bad(f"frame {index} has an impossible header")
        sealed = stream.take(length)
        if flags == 1:
            break
        yield Frame(index, offset, _FRAME_HEADER + length, opener.decode(index, plain, sealed))
        index += 1
    if opener.decrypt(index, 0, 1, sealed) or not stream.at_end():
        raise Bad("bytes follow after its end")
