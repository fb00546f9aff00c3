"""The copy stream of a replication connection, whatever the moment at which its messages come in."""

from __future__ import annotations

import psycopg
import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.replication import ENDED, Replication
from dataprotect.engine.databases.postgresql.streamed_reader import StreamedReader
from dataprotect.storage.logs.layout import segment_name
from tests.engine.postgresql.conftest import address_of
from tests.servers.postgresql import PostgresServer


class ScriptedLibpq:
    """libpq's answers in order; like the real one it refuses to be asked again after the end of a copy."""

    def __init__(self, *sizes: int) -> None:
        self.sizes, self.ended, self.status = list(sizes), False, psycopg.pq.ConnStatus.OK

    def get_copy_data(self, _: int) -> tuple[int, memoryview]:
        if self.ended:
            raise psycopg.OperationalError("no COPY in progress")
        size = self.sizes.pop(0)
        self.ended = size == -1
        return size, memoryview(b"x" * max(size, 0))

    def consume_input(self) -> None: ...


@pytest.mark.parametrize("script", [(-1,), (0, -1), (0, 0, -1), (0, 0, 0, -1)])
def test_the_end_is_told_once_however_it_arrives(postgres15: PostgresServer, script: tuple[int, ...]) -> None:
    with Replication(address_of(postgres15), "test") as replication:
        real = replication._pgconn
        replication._pgconn = ScriptedLibpq(*script)  # type: ignore[assignment]
        replication._wait = lambda seconds: True  # type: ignore[method-assign]
        assert replication.receive(1) is ENDED
        replication._pgconn = real


def test_silence_is_not_the_end(postgres15: PostgresServer) -> None:
    with Replication(address_of(postgres15), "test") as replication:
        replication.send(
            "START_REPLICATION PHYSICAL 0/0 TIMELINE 1".replace("0/0", here(postgres15)), "testing"
        )
        replication.result()
        while replication.receive(0.2) is not None:
            pass  # keepalives
        assert replication.receive(0.05) is None


def here(server: PostgresServer) -> str:
    with server.connect() as connection:
        row = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert row is not None
        return str(row[0])


def test_a_refused_command_is_a_sentence(postgres: PostgresServer) -> None:
    with Replication(address_of(postgres), "test") as replication:
        with pytest.raises(ForeseenError) as caught:
            replication.rows("TIMELINE_HISTORY 77", "reading a history")
        assert caught.value.code == "postgresql.wal_removed"
        assert "while" not in caught.value.message or "reading a history" in caught.value.message


def test_a_quote_in_the_label_stays_a_quote(postgres15: PostgresServer) -> None:
    with Replication(address_of(postgres15), "test") as replication:
        started = StreamedReader(replication, "it's', CHECKPOINT 'spread", paged=True).start()
        assert started.position > 0 and started.timeline == 1


@pytest.mark.parametrize(
    ("position", "size", "name"),
    [
        (0x2_8000_0028, 16 << 20, "000000010000000200000080"),
        (0x0_0100_0000, 16 << 20, "000000010000000000000001"),
        (0x0_0100_0000, 1 << 20, "000000010000000000000010"),
        (0x1_4000_0000, 1 << 30, "000000010000000100000001"),
    ],
)
def test_segment_names(position: int, size: int, name: str) -> None:
    assert segment_name(1, position, size) == name
