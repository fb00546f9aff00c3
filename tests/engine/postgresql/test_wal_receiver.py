"""The log of a backup ends where the backup says, however much more a busy server sent."""

from __future__ import annotations

import os
from pathlib import Path

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.wal import WalReceiver
from dataprotect.storage.logs.layout import segment_start
from tests.engine.postgresql.conftest import address_of
from tests.ops.conftest import wait_for
from tests.servers.postgresql import PostgresServer

SIZE = 16 << 20


def test_nothing_behind_the_asked_position_is_kept(postgres15: PostgresServer, tmp_path: Path) -> None:
    with postgres15.connect() as connection:

        def now() -> int:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
            assert row is not None
            return lsn.parse(str(row[0]))

        receiver = WalReceiver(address_of(postgres15), tmp_path, 1, SIZE)
        begin = now()
        receiver.start(begin)
        connection.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000))")
        position = now()
        for _ in range(20):
            connection.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1 << 20))")
        behind = now()
        assert behind - position > SIZE, "more than one segment too many"
        wait_for(lambda: receiver._position >= behind, "the receiver has it all")
        found = list(receiver.finish(position, lambda: None))
    for segment in found:
        start = segment_start(segment.name, SIZE)
        data = os.pread(segment.descriptor, SIZE, 0)
        os.close(segment.descriptor)
        assert len(data) == SIZE and start < position
        assert not any(data[position - start :])
    assert any(data[: position - start]), "what was asked for is there"
