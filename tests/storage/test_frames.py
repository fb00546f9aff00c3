"""A frame gives exactly what its header promises, or nothing."""

from __future__ import annotations

import pytest
import zstandard

from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.keys.wrapping import DataKey
from dataprotect.storage.pipeline.frames import (
    FRAME,
    PACK,
    FrameDecoder,
    FrameEncoder,
    binding,
    compressor,
    nonce,
)

MANY = b"".join(b"%d abcdefgh %d\n" % (n, n * n) for n in range(40_000))
NAME = "i/backups/b/packs/00000001"


@pytest.mark.parametrize("held", [0, 99, 100, 101, 5000])
def test_a_frame_that_holds_more_or_less_than_it_says_is_damage(held: int) -> None:
    key = DataKey("i", "ab" * 16, bytes(32))
    encoder = FrameEncoder(key, NAME, PACK, zstandard.ZstdCompressor())
    body = zstandard.ZstdCompressor().compress(b"x" * held)
    sealed = encoder._cipher.encrypt(nonce(0), body, binding(NAME.encode(), 0, 100, 0))
    frame = memoryview(FRAME.pack(len(sealed), 100, 0) + sealed)
    decoder, plain = FrameDecoder.open(key, NAME, PACK, encoder.header), memoryview(bytearray(100))
    if held == 100:
        decoder.decode_into(plain, 0, frame, zstandard.ZstdDecompressor())
        assert bytes(plain) == b"x" * 100
        return
    with pytest.raises(DamagedObject):
        decoder.decode_into(plain, 0, frame, zstandard.ZstdDecompressor())


@pytest.mark.parametrize("level", [1, 3, 22])
def test_a_level_is_as_small_as_it_is_everywhere_and_anybody_can_decode_it(level: int) -> None:
    ours, usual = compressor(level).compress(MANY), zstandard.ZstdCompressor(level=level).compress(MANY)
    assert zstandard.ZstdDecompressor().decompress(ours) == MANY
    assert zstandard.frame_content_size(ours) == len(MANY)
    assert len(ours) < 1.02 * len(usual)
