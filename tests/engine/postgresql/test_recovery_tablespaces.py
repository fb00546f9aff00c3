"""The making of a tablespace is found in any place of the log, and nothing else is taken for it."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import recovery_tablespaces
from dataprotect.engine.databases.postgresql.log_fetch import look_through, refuse_across

PAGE, HEADER = 8192, 24
SEGMENT = 64 * PAGE


def record(path: bytes, kind: int = 0x00, manager: int = 5) -> bytes:
    """As xlogrecord.h has it; the checksum is not looked at."""
    body = struct.pack("<I", 16400) + path + b"\0"
    mark = struct.pack("<BB", 255, len(body)) if len(body) < 256 else struct.pack("<BI", 254, len(body))
    whole = mark + body
    return struct.pack("<IIQBBxxI", 24 + len(whole), 700, 0x1000, kind, manager, 0xC0FFEE) + whole


def segment(place: Path, records: bytes, at: int) -> Path:
    """A segment of noise with `records` at the byte `at` of its payload."""
    noise = bytearray(random.Random(5).randbytes(SEGMENT // PAGE * (PAGE - HEADER)))
    noise[at : at + len(records)] = records
    pages = [noise[i : i + PAGE - HEADER] for i in range(0, len(noise), PAGE - HEADER)]
    place.write_bytes(b"".join(bytes(HEADER) + bytes(page) for page in pages))
    return place


@pytest.mark.parametrize("path", [b"/srv/fast", b"/" + b"d" * 300, "/srv/größe".encode()])
@pytest.mark.parametrize("at", [64, 8168 - 8, 8168 * 3 - 24, 8168 * 40])
def test_it_is_found_also_across_pages(tmp_path: Path, path: bytes, at: int) -> None:
    file = segment(tmp_path / "s", record(path), at)
    found = recovery_tablespaces.created(recovery_tablespaces.payload(file))
    assert found == [(at, path.decode())]
    with pytest.raises(ForeseenError) as error:
        look_through(file, b"", 0x1000000, 0x2000000)
    assert path.decode() in error.value.message


@pytest.mark.parametrize("cut", [8, 24, 32, 40])
def test_it_is_found_across_segments(cut: int) -> None:
    whole = record(b"/srv/fast/space")
    with pytest.raises(ForeseenError):
        refuse_across(bytes(2048 - cut) + whole[:cut], whole[cut:] + bytes(2048))


def test_behind_the_target_it_does_not_matter(tmp_path: Path) -> None:
    file = segment(tmp_path / "s", record(b"/srv/fast"), 8168 * 2)
    place = 0x1000000 + 2 * PAGE + HEADER
    look_through(file, b"", 0x1000000, place)
    with pytest.raises(ForeseenError):
        look_through(file, b"", 0x1000000, place + 1)


@pytest.mark.parametrize(
    "other",
    [
        record(b"/srv/fast", kind=0x10),
        record(b"/srv/fast", manager=4),
        record(b"pg_tblspc/16400"),
        record(b"/a\0b"),
    ],
)
def test_other_records_are_left_alone(tmp_path: Path, other: bytes) -> None:
    file = segment(tmp_path / "s", other, 800)
    assert recovery_tablespaces.created(recovery_tablespaces.payload(file)) == []
