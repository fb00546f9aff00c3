"""How bytes become frames: zstd, then AES-256-GCM under a key of the object's own.

An object is a header, frames, and an empty end frame. See docs/repository-format.md.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.model import CHUNK

MAGIC = b"DPRO"
FORMAT = 1
PACK, MANIFEST, LOG = 1, 2, 3
END = 1

HEADER = struct.Struct(">4sHBB16s32s")
"""magic, format, kind, zero, data-key id, salt."""

FRAME = struct.Struct(">III")
"""Length of the ciphertext with its tag, length of the plain bytes, flags."""

TAG = 16
SALT = 32
_TUNED_LEVEL = 3
_TABLE_LOG = 15
"""2**15 positions of 4 bytes in each of the two tables."""
_BINDING = struct.Struct(">QII")


def derive(secret: bytes, salt: bytes, info: str) -> bytes:
    """HKDF-SHA256, 32 bytes."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info.encode("ascii")).derive(secret)


def object_key(key: DataKey, salt: bytes, name: str) -> bytes:
    """The key of the object `name` (its full name in the repository)."""
    return derive(key.secret, salt, f"dataprotect/1 object {name}")


def nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")


def binding(name: bytes, index: int, plain: int, flags: int) -> bytes:
    """The associated data of a frame."""
    return name + b"\0" + _BINDING.pack(index, plain, flags)


def compressor(level: int) -> zstandard.ZstdCompressor:
    """For frames, at a zstd level of 1 to 22.

    Level 3, the default, gets smaller tables of positions than zstd gives it. Its own, 768 KiB a thread, and
    a frame do not fit into a core's second cache together: a tenth of the time, for half a percent of size.
    """
    if level != _TUNED_LEVEL:
        return zstandard.ZstdCompressor(level=level)
    tuned = zstandard.ZstdCompressionParameters.from_level(
        level, source_size=CHUNK, hash_log=_TABLE_LOG, chain_log=_TABLE_LOG
    )
    return zstandard.ZstdCompressor(compression_params=tuned)


class FrameEncoder:
    """Frames for one new object. Not thread-safe; `compressor` may be shared by objects of one thread."""

    def __init__(self, key: DataKey, name: str, kind: int, compressor: zstandard.ZstdCompressor) -> None:
        salt = os.urandom(SALT)
        self.header = HEADER.pack(MAGIC, FORMAT, kind, 0, key.id_bytes, salt)
        self.frames = 0
        self._cipher = AESGCM(object_key(key, salt, name))
        self._name = name.encode("ascii")
        self._compress = compressor.compress

    def encode(self, data: bytes | bytearray | memoryview) -> tuple[bytes, bytes]:
        """Frame header and ciphertext of the next frame. `data` must not be empty."""
        return self._seal(self._compress(data), len(data), 0)

    def end(self) -> bytes:
        """The end frame: no object without it is whole."""
        head, tag = self._seal(b"", 0, END)
        return head + tag

    def _seal(self, body: bytes, plain: int, flags: int) -> tuple[bytes, bytes]:
        index = self.frames
        self.frames = index + 1
        sealed = self._cipher.encrypt(nonce(index), body, binding(self._name, index, plain, flags))
        return FRAME.pack(len(sealed), plain, flags), sealed


@dataclass(frozen=True, slots=True)
class FrameDecoder:
    """Opens frames of one stored object; safe to use from several threads."""

    name: str
    _name: bytes
    _cipher: AESGCM

    @classmethod
    def open(cls, key: DataKey, name: str, kind: int, header: bytes) -> FrameDecoder:
        """Raises DamagedObject when `header` is not that of the object `name` of this kind and key."""
        if len(header) != HEADER.size:
            raise DamagedObject(name, "it ends within its header")
        magic, version, found_kind, zero, key_id, salt = HEADER.unpack(header)
        if (magic, version, found_kind, zero, key_id) != (MAGIC, FORMAT, kind, 0, key.id_bytes):
            raise DamagedObject(name, "its header is not the one that was written")
        return cls(name, name.encode("ascii"), AESGCM(object_key(key, salt, name)))

    def decode(
        self, index: int, frame: memoryview, plain: int, decompressor: zstandard.ZstdDecompressor
    ) -> bytes:
        """The `plain` bytes of a data frame (with its frame header). Raises DamagedObject."""
        return self.expand(index, self._body(index, frame, plain), plain, decompressor)

    def decode_into(
        self, plain: memoryview, index: int, frame: memoryview, decompressor: zstandard.ZstdDecompressor
    ) -> None:
        """Fill `plain` with exactly what a data frame holds. Raises DamagedObject."""
        body = self._body(index, frame, len(plain))
        try:
            with decompressor.stream_reader(body) as reader:
                whole = reader.readinto(plain) == len(plain) and not reader.read(1)
        except zstandard.ZstdError as error:
            raise DamagedObject(self.name, f"frame {index} does not decompress") from error
        if not whole:
            raise DamagedObject(self.name, f"frame {index} does not have {len(plain)} bytes")

    def _body(self, index: int, frame: memoryview, plain: int) -> bytes:
        length, found_plain, flags = FRAME.unpack_from(frame)
        if length + FRAME.size != len(frame) or found_plain != plain or flags:
            raise DamagedObject(self.name, f"the header of frame {index} does not match the manifest")
        return self.open_body(index, frame[FRAME.size :], plain, 0)

    def open_body(self, index: int, sealed: memoryview, plain: int, flags: int) -> bytes:
        """What was encrypted, still compressed. Raises DamagedObject when its tag does not match."""
        try:
            return self._cipher.decrypt(nonce(index), sealed, binding(self._name, index, plain, flags))
        except InvalidTag as error:
            raise DamagedObject(self.name, f"frame {index} fails its authentication") from error

    def expand(self, index: int, body: bytes, plain: int, decompressor: zstandard.ZstdDecompressor) -> bytes:
        try:
            data = decompressor.decompress(body, max_output_size=plain)
        except zstandard.ZstdError as error:
            raise DamagedObject(self.name, f"frame {index} does not decompress") from error
        if len(data) != plain:
            raise DamagedObject(self.name, f"frame {index} has {len(data)} bytes instead of {plain}")
        return data
