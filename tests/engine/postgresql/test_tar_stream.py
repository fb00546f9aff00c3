"""The tar parser: whatever the cuts between messages, the same members come out; damage is refused."""

from __future__ import annotations

import contextlib
import io
import itertools
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataprotect.engine.databases.postgresql.tar_stream import TarDamaged, TarMember, TarParser, parse_header

FILES = {"PG_VERSION": b"15\n", "base/1/2619": bytes(range(256)) * 70, "empty": b"", "base/5/1": b"x" * 512}


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo("base/")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(folder)
        link = tarfile.TarInfo("pg_tblspc/16400")
        link.type, link.linkname = tarfile.SYMTYPE, "/srv/space"
        tar.addfile(link)
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o600, 1_700_000_000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


ARCHIVE = archive()


class Collected:
    def __init__(self) -> None:
        self.members: list[TarMember] = []
        self.contents: dict[str, bytes] = {}
        self.ended: list[str] = []
        self.parser = TarParser(self._member, self._data, lambda: self.ended.append(self.members[-1].name))

    def _member(self, member: TarMember) -> None:
        self.members.append(member)
        self.contents[member.name] = b""

    def _data(self, view: memoryview) -> None:
        self.contents[self.members[-1].name] += bytes(view)


@settings(max_examples=200, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ARCHIVE)), max_size=60))
def test_any_cuts_give_the_same_members(cuts: list[int]) -> None:
    collected = Collected()
    edges = [0, *sorted(cuts), len(ARCHIVE)]
    for start, end in itertools.pairwise(edges):
        collected.parser.feed(memoryview(ARCHIVE)[start:end])
    collected.parser.close()
    assert [member.kind for member in collected.members] == ["directory", "symlink", *["file"] * len(FILES)]
    assert collected.members[1].link == "/srv/space"
    assert {name: collected.contents[name] for name in FILES} == FILES
    assert collected.ended == list(FILES)


@given(end=st.integers(0, len(ARCHIVE.rstrip(b"\0")) + 511))
def test_an_archive_cut_short_is_refused(end: int) -> None:
    collected = Collected()
    collected.parser.feed(memoryview(ARCHIVE)[:end])
    with pytest.raises(TarDamaged):
        collected.parser.close()


@given(position=st.integers(0, 511), flip=st.integers(1, 255))
def test_a_damaged_header_is_refused_or_harmless(position: int, flip: int) -> None:
    header = bytearray(ARCHIVE[:512])
    header[position] ^= flip
    with contextlib.suppress(TarDamaged):
        assert parse_header(bytes(header)) == parse_header(ARCHIVE[:512])  # e.g. a blank for a NUL


def test_sizes_of_8_gib_and_more_are_base_256() -> None:
    size = (3 << 33) + 5
    info = tarfile.TarInfo("base/5/16400")
    info.size = size
    assert parse_header(info.tobuf(tarfile.GNU_FORMAT)).size == size


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/../../b"])
def test_names_that_climb_out_are_refused(name: str) -> None:
    with pytest.raises(TarDamaged):
        parse_header(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))


def test_kinds_the_server_never_sends_are_refused() -> None:
    device = tarfile.TarInfo("null")
    device.type = tarfile.CHRTYPE
    with pytest.raises(TarDamaged):
        parse_header(device.tobuf(tarfile.USTAR_FORMAT))
