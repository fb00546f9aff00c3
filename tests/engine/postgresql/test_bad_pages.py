"""Damaged pages of the source are reported by relation and block, by both readers; sound ones never are."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from dataprotect.core.secrets import Secret
from dataprotect.engine.backup import take_backup
from dataprotect.engine.databases.postgresql.layout import RelationFile
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE, checksums
from dataprotect.engine.databases.postgresql.page_inspection import PageInspector, WholeFile
from dataprotect.engine.databases.postgresql.server_findings import damaged_page
from dataprotect.engine.model import Address, Reader
from tests.engine.postgresql.conftest import Bench, address_of
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


@pytest.fixture
def streamer(damaged: tuple[PostgresServer, str]) -> Address:
    """A user who may stream and connect, and nothing else."""
    server, _ = damaged
    with server.connect() as connection:
        connection.execute(
            "CREATE ROLE streamer LOGIN REPLICATION PASSWORD 'streamword' IN ROLE pg_read_all_data"
        )
    return address_of(server, user="streamer", password=Secret("streamword"))


def test_a_user_who_may_only_stream_is_told_the_page_as_well(
    damaged: tuple[PostgresServer, str], streamer: Address, bench: Bench
) -> None:
    server, path = damaged
    request = bench.request(server, "auto")
    request = replace(request, source=replace(request.source, address=streamer))
    result = take_backup(request, bench.repository)
    assert result.reader == "streamed"
    assert result.bad_pages == (f"{path} (public.ledger) block 3",)


@pytest.fixture
def scribbled(damaged: tuple[PostgresServer, str]) -> tuple[PostgresServer, str]:
    """Besides the damaged page, the table `sound` ends with a page that claims to be new but is not empty."""
    server, _ = damaged
    with server.connect() as connection:
        path = connection.execute("SELECT pg_relation_filepath('sound')").fetchone()[0]
    file = server.data / path
    scribble(file, file.stat().st_size, bytes(5000) + b"rot" + bytes(PAGE_SIZE - 5003))
    return server, f"{path} (public.sound) block {file.stat().st_size // PAGE_SIZE - 1}"


def test_a_new_page_that_is_not_empty_is_damaged(
    scribbled: tuple[PostgresServer, str], bench: Bench, reader: Reader
) -> None:
    server, named = scribbled
    result = bench.back_up(server, reader)
    assert named in result.bad_pages and len(result.bad_pages) == 2


def test_without_the_right_to_look_again_a_suspect_is_a_warning(
    scribbled: tuple[PostgresServer, str], streamer: Address, bench: Bench
) -> None:
    server, named = scribbled
    request = bench.request(server, "streamed")
    request = replace(request, source=replace(request.source, address=streamer))
    result = take_backup(request, bench.repository)
    assert len(result.bad_pages) == 1 and named not in result.bad_pages
    assert any("could not be read a second time" in text and named in text for text in result.warnings)


def test_damage_in_a_tablespace_and_in_a_later_file_segment_is_named(
    make_postgres, bench: Bench, reader: Reader
) -> None:
    server: PostgresServer = make_postgres()
    place = server.folder / "elsewhere"
    server.run("mkdir", place)
    with server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE elsewhere LOCATION '{place}'")
        connection.execute("CREATE TABLE moved TABLESPACE elsewhere AS SELECT generate_series(1, 9000) i")
        oid = connection.execute("SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'").fetchone()[0]
        path = connection.execute("SELECT pg_relation_filepath('moved')").fetchone()[0]
    server.stop("fast")
    for block in range(2, 10):
        scribble(server.data / path, block * PAGE_SIZE + 3000, b"rot")
    result = bench.back_up(server.start(), reader)
    shown = path.replace("pg_tblspc", "tablespaces")
    assert shown.startswith(f"tablespaces/{oid}/PG_15_")
    expected = [f"{shown} (public.moved) block {block}" for block in range(2, 10)]
    if reader == "local":
        assert list(result.bad_pages) == expected
    else:  # the server names five pages of a file, and then their number
        assert list(result.bad_pages) == expected[:5]
        assert any("8" in warning and shown.rpartition("/")[2] in warning for warning in result.warnings)


MESSAGES = [
    ('checksum verification failed in file "./base/5/16384", block 3: calculated 1A2B but expected 3',
     ("pgdata/base/5/16384", 3)),
    ('checksum verification failed in file "./base/5/16384_vm.2", block 30: calculated AA but expected BB',
     ("pgdata/base/5/16384_vm.2", 30)),
    ("Fehler in Datei »./global/1262«, Block 0: berechnet 1A2B, aber erwartet 3C4D",
     ("pgdata/global/1262", 0)),
    ('verification failed in file "/srv/a space/PG_15_202209061/5/7.1", block 9: calculated 1 but expected 2',
     ("tablespaces/16400/PG_15_202209061/5/7.1", 9)),
    ('file "./base/5/16384" has a total of 12 checksum verification failures', None),
    ("12 total checksum verification failures", None),
    ('skipping special file "./base/5/pipe"', None),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_what_the_server_says_is_understood(message: str, expected: tuple[str, int] | None) -> None:
    assert damaged_page(message, {16400: "/srv/a space", 16401: "/srv/b"}) == expected


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
    looks = Looks(page(5, sound=False))
    inspector.inspect("pgdata/base/5/7.1", RelationFile(7, "main", 1), data, 1 << 20, looks)
    inspector.condemn("pgdata/base/5/7.1", 4)
    assert [found.block for found in inspector.damaged] == [131072 + 128 + 1, 131072 + 4]


def test_small_files_are_looked_at_together_and_the_bad_page_is_named() -> None:
    inspector = PageInspector(enabled=True, start=START, blocks_per_segment=131072)
    torn = bytearray(page(5, sound=False) + bytes(PAGE_SIZE))
    files = [
        WholeFile(path, RelationFile(number, "main", segment), memoryview(data), Looks(*later))
        for path, number, segment, data, later in (
            ("pgdata/base/5/7", 7, 0, bytearray(bytes(3 * PAGE_SIZE)), ()),
            ("pgdata/base/5/8", 8, 0, torn, (page(5, sound=True),)),
            ("pgdata/base/5/9.1", 9, 1, bytearray(bytes(PAGE_SIZE) + page(5, sound=False) + b"rest"),
             (page(5, sound=False),)),
        )
    ]  # fmt: skip
    inspector.inspect_files(files[:1])
    assert inspector.checked == 3 and not inspector.damaged
    inspector.inspect_files(files)
    assert [(found.path, found.block) for found in inspector.damaged] == [("pgdata/base/5/9.1", 131072 + 1)]
    assert bytes(torn[:PAGE_SIZE]) == page(5, sound=True), "the sound page is what must be stored"
    inspector.inspect_files([])
