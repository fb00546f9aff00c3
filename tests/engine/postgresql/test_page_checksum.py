"""The page checksum against the server's own, and against damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.engine.databases.postgresql import layout, page_checksum, page_sums
from dataprotect.engine.databases.postgresql.page_checksum import (
    PAGE_SIZE,
    Judgement,
    block_numbers,
    checksums,
    wrong_pages,
)
from tests.servers.postgresql import PostgresServer


def wrong_in(data: bytes, first: int) -> list[Judgement]:
    return wrong_pages(data, block_numbers(first, len(data)))


def relation_files(data: Path) -> list[tuple[Path, layout.RelationFile]]:
    found = []
    for place in data.rglob("*"):
        relation = layout.relation_file(str(place.relative_to(data)))
        if relation and place.is_file():
            found.append((place, relation))
    return found


@pytest.mark.parametrize("version", [15, 17])
def test_every_page_of_a_real_cluster_has_the_sum_we_compute(
    make_postgres, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: PostgresServer = make_postgres(version=version)
    with server.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i")
        connection.execute("CREATE INDEX ON t (md5)")
    server.stop("fast")
    server.run(server.bin / "pg_checksums", "--check", "-D", server.data)
    for sums in (page_sums.page_sums, page_sums.by_numpy):
        monkeypatch.setattr(page_checksum, "page_sums", sums)
        assert checked_pages(server.data) > 2000


def checked_pages(data: Path) -> int:
    pages = 0
    for place, relation in relation_files(data):
        content = place.read_bytes()
        assert wrong_in(content, layout.first_block(relation, 131072)) == [], place
        pages += len(content) // PAGE_SIZE
    return pages


def a_page() -> bytes:
    """A plausible heap page with the sum of block 0."""
    page = bytearray(bytes(range(256)) * 32)
    page[0:8] = bytes(8)
    page[12:16] = (24).to_bytes(2, "little") + (8000).to_bytes(2, "little")
    page[8:10] = int(checksums(bytes(page), 0)[0]).to_bytes(2, "little")
    return bytes(page)


@given(position=st.integers(0, PAGE_SIZE - 1), flip=st.integers(1, 255))
def test_any_flipped_byte_is_noticed(position: int, flip: int) -> None:
    damaged = bytearray(a_page())
    damaged[position] ^= flip
    wrong = wrong_in(bytes(damaged), 0)
    assert [found.index for found in wrong] == [0]


def test_a_page_in_the_wrong_place_is_noticed() -> None:
    assert wrong_in(a_page(), 0) == []
    assert [found.index for found in wrong_in(a_page(), 1)] == [0]


def test_new_pages_are_sound_only_when_they_are_all_zero() -> None:
    assert wrong_in(bytes(3 * PAGE_SIZE), 0) == []
    scribbled = bytearray(3 * PAGE_SIZE)
    scribbled[PAGE_SIZE + 5000] = 1
    assert [found.index for found in wrong_in(bytes(scribbled), 0)] == [1]
    assert wrong_in(b"", 0) == []
    assert wrong_in(a_page() + b"partial", 0) == []


def test_the_lsn_of_a_wrong_page_is_told() -> None:
    page = bytearray(a_page())
    page[0:8] = (0x12).to_bytes(4, "little") + (0x345678).to_bytes(4, "little")
    assert wrong_in(bytes(page), 0)[0].lsn == 0x12_00345678
