"""Damaged pages of the source are reported by relation and block, by both readers; sound ones never are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dataprotect.engine.databases.postgresql.layout import RelationFile
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE, checksums
from dataprotect.engine.databases.postgresql.page_inspection import PageInspector
from dataprotect.engine.model import Reader
from tests.engine.postgresql.conftest import Bench
from tests.servers.postgresql import PostgresServer


@pytest.fixture(params=[15, 17])
def damaged(request: pytest.FixtureRequest, make_postgres) -> tuple[PostgresServer, str]:
    """A running server whose table public.ledger is damaged in block 3; the path of its file."""
    server: PostgresServer = make_postgres(version=request.param)
    with server.connect() as connection:
        connection.execute("CREATE TABLE ledger AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i")
        connection.execute("CREATE TABLE sound AS SELECT * FROM ledger")
        path = connection.execute("SELECT pg_relation_filepath('ledger')").fetchone()[0]
    server.stop("fast")
    scribble(server.data / path, 3 * PAGE_SIZE + 4000, b"rot")
    return server.start(), path


def scribble(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(data)


def test_a_bad_page_is_named_and_the_backup_completes(
    damaged: tuple[PostgresServer, str], bench: Bench, reader: Reader
) -> None:
    server, path = damaged
    result = bench.back_up(server, reader)
    assert result.bad_pages == (f"{path} (public.ledger) block 3",)
    assert any("damaged" in warning for warning in result.warnings)
    seal = bench.repository.seal("instance-1", result.backup_id)
    assert seal.facts["bad_pages"] == 1
    attached = bench.repository.read("instance-1", result.backup_id).attachments()
    assert attached["findings"]["bad_pages"] == list(result.bad_pages)
    clone, _ = bench.restore(result, server)
    # What was read is what is stored: the damage is kept as it is, not hidden.
    assert (clone.data / path).read_bytes() == (server.data / path).read_bytes()


def test_a_page_that_claims_to_come_from_the_future_is_damaged(
    make_postgres, bench: Bench, reader: Reader
) -> None:
    server: PostgresServer = make_postgres()
    with server.connect() as connection:
        connection.execute("CREATE TABLE ledger AS SELECT generate_series(1, 20000) i")
        path = connection.execute("SELECT pg_relation_filepath('ledger')").fetchone()[0]
    server.stop("fast")
    scribble(server.data / path, PAGE_SIZE, b"\xff" * 8)
    result = bench.back_up(server.start(), reader)
    assert result.bad_pages == (f"{path} (public.ledger) block 1",)


def test_without_the_right_to_look_again_a_suspect_is_a_warning(
    damaged: tuple[PostgresServer, str], bench: Bench
) -> None:
    from dataclasses import replace

    from dataprotect.core.secrets import Secret
    from dataprotect.engine.backup import take_backup

    server, _ = damaged
    with server.connect() as connection:
        connection.execute(
            "CREATE ROLE streamer LOGIN REPLICATION PASSWORD 'streamword' IN ROLE pg_read_all_data"
        )
    with (server.data / "pg_hba.conf").open("a") as rules:
        rules.write("host replication streamer 127.0.0.1/32 scram-sha-256\n")
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    request = bench.request(server, "auto")
    address = replace(request.source.address, user="streamer", password=Secret("streamword"))
    result = take_backup(replace(request, source=replace(request.source, address=address)), bench.repository)
    assert result.reader == "streamed"
    assert result.bad_pages == ()
    assert any("could not be read a second time" in warning for warning in result.warnings)


START, STOP = 1000, 2000


def page(lsn: int, *, sound: bool, block: int = 0) -> bytes:
    made = bytearray(bytes(range(256)) * 32)
    made[0:8] = (lsn >> 32).to_bytes(4, "little") + (lsn & 0xFFFFFFFF).to_bytes(4, "little")
    made[8:10] = int(checksums(bytes(made), block)[0]).to_bytes(2, "little")
    if not sound:
        made[5000] ^= 0xFF
    return bytes(made)


class Looks:
    """What later reads of the page show, one after the other."""

    def __init__(self, *pages: bytes) -> None:
        self.pages = list(pages)

    def __call__(self, offset: int) -> bytes:
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


@pytest.mark.parametrize(
    ("later", "damaged"),
    [
        ((page(5, sound=False),), 1),
        ((page(5, sound=False), page(5, sound=True)), 0),
        ((page(1500, sound=False),), 0),
        ((b"",), 0),
    ],
    ids=["stays", "was torn", "became newer", "was truncated"],
)
def test_a_suspect_is_looked_at_again(monkeypatch, later: tuple[bytes, ...], damaged: int) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    inspector = PageInspector(enabled=True, start=START, blocks_per_segment=131072)
    data = bytearray(page(5, sound=False))
    inspector.inspect("pgdata/base/5/7", RelationFile(7, "main", 0), memoryview(data), 0, Looks(*later))
    inspector.conclude(STOP)
    assert len(inspector.damaged) == damaged
    if later[-1] == page(5, sound=True):
        assert bytes(data) == later[-1], "the sound page is what must be stored"


@pytest.mark.parametrize(("lsn", "damaged"), [(1500, 0), (2000, 0), (2001, 1)])
def test_newer_pages_are_only_judged_by_the_end_of_the_backup(lsn: int, damaged: int) -> None:
    inspector = PageInspector(enabled=True, start=START, blocks_per_segment=131072)
    data = memoryview(bytearray(page(lsn, sound=False)))
    inspector.inspect("pgdata/base/5/7", RelationFile(7, "main", 0), data, 0, None)
    inspector.conclude(STOP)
    assert len(inspector.damaged) == damaged


def test_block_numbers_count_over_segments() -> None:
    inspector = PageInspector(enabled=True, start=START, blocks_per_segment=131072)
    data = memoryview(bytearray(PAGE_SIZE) + bytearray(page(5, sound=False)))
    inspector.inspect("pgdata/base/5/7.1", RelationFile(7, "main", 1), data, 1 << 20, None)
    assert [found.block for found in inspector.unclear] == [131072 + 128 + 1]
