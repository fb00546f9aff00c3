"""A server with a tablespace, a backup of it, and an instant after the backup that its log leads to.

One server for all: every test damages it, and leaves it running with nothing beside its data directory.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dataprotect.engine import full_system
from dataprotect.engine.full_system_model import FullSystemRequest, FullSystemTarget, Hooks, Origin
from dataprotect.engine.timeline_model import Choice, Target
from tests.engine.postgresql.conftest import INSTANCE, Bench, address_of
from tests.engine.postgresql.pitr.streamed import streaming
from tests.engine.postgresql.protected import own
from tests.servers.postgresql import PostgresServer, unprivileged_user

ROOT = Path(__file__).parents[4]
BACKED_UP, LATER, DAMAGED = 1000, 1500, 10
_ids = itertools.count(1)


@dataclass
class Stage:
    """`choice` leads to the instant when there were LATER rows; the backup alone has BACKED_UP."""

    server: PostgresServer
    bench: Bench
    space: Path
    choice: Choice

    @property
    def hooks(self) -> Hooks:
        control = (str(self.server.bin / "pg_ctl"), "-D", str(self.server.data), "-w")
        return Hooks(
            stop=(*control, "-m", "fast", "stop"),
            start=(*control, "-l", str(self.server.folder / "server.log"), "start"),
            user=unprivileged_user() or "",
            stop_seconds=60,
            start_seconds=60,
        )

    def request(self, hooks: Hooks | None = None, **changes: object) -> FullSystemRequest:
        target = FullSystemTarget(address_of(self.server), self.server.data, hooks or self.hooks)
        values = {
            "target": target, "restore_id": f"f{os.getpid()}-{next(_ids)}", "instance_id": INSTANCE,
            "backup_id": "whole", "binaries": {self.server.major: self.server.bin},
        }  # fmt: skip
        return FullSystemRequest(**(values | changes))  # type: ignore[arg-type]

    def begin(self, **changes: object) -> tuple[FullSystemRequest, Origin]:
        """After some damage."""
        self.damage()
        request = self.request(**changes)
        return request, full_system.origin(request)

    def damage(self) -> None:
        """What the restore is for; and what is written since must not be in it."""
        with self.server.connect() as connection:
            connection.execute("DELETE FROM item; DROP TABLE IF EXISTS far")
            connection.execute(
                "INSERT INTO item SELECT i, 'damaged' FROM generate_series(1, %s) i", (DAMAGED,)
            )
            connection.execute("CREATE TABLE far (id int) TABLESPACE fast")

    def rows(self) -> tuple[int, int]:
        """Of the table in the data directory and of the one in the tablespace."""
        with self.server.connect() as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM item), (SELECT count(*) FROM far)"
            ).fetchone()
        assert row is not None
        return row

    def setting(self, name: str) -> str:
        with self.server.connect() as connection:
            row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        assert row is not None
        return str(row[0])

    def timeline(self) -> int:
        with self.server.connect() as connection:
            row = connection.execute("SELECT timeline_id FROM pg_control_checkpoint()").fetchone()
        assert row is not None
        return int(row[0])

    def beside(self) -> set[str]:
        """What lies beside the data directory and in the tablespace's folder, and is not the server's own."""
        here = {each.name for each in self.server.folder.iterdir() if each.name.startswith("data_")}
        return here | {each.name for each in self.space.iterdir() if not each.name.startswith("PG_")}

    def tidy(self, request: FullSystemRequest, origin: Origin) -> None:
        """Back to a running server with nothing beside it, wherever the test left it."""
        place = full_system.standing(request, origin).place
        if place in ("exchanging", "taking back"):
            full_system.swap_back(request, origin)
        full_system.start(replace(request, target=replace(request.target, hooks=self.hooks)), origin)
        place = full_system.standing(request, origin).place
        full_system.discard(request, origin, "kept" if place == "exchanged" else "restored")
        assert not self.beside()


def build(folder: Path, binaries: Path) -> Iterator[Stage]:
    space = own(folder / "fast")
    server = PostgresServer(binaries, folder / "server").create().start()
    bench = Bench(folder / "bench")
    try:
        with server.connect() as connection:
            connection.execute(f"CREATE TABLESPACE fast LOCATION '{space}'")
            connection.execute(
                "CREATE TABLE item (id int, t text); CREATE TABLE far (id int) TABLESPACE fast"
            )
            connection.execute("INSERT INTO item SELECT i, md5(i::text) FROM generate_series(1, 1000) i")
            connection.execute("INSERT INTO far SELECT generate_series(1, 100)")
            connection.execute("CREATE DATABASE second")
        with streaming(server, bench) as streamed, server.connect() as connection:
            bench.back_up(server, backup_id="whole")
            connection.execute("INSERT INTO item SELECT i, 'later' FROM generate_series(1001, 1500) i")
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            time.sleep(0.01)
            connection.execute("INSERT INTO item SELECT i, 'too late' FROM generate_series(1501, 1600) i")
            streamed.settle()
            choice = streamed.choose(Target("time", at=row[0]))
        with server.connect() as connection:
            connection.execute("ALTER SYSTEM SET work_mem = '5MB'")
            connection.execute("SELECT pg_reload_conf()")
        yield Stage(server, bench, space, choice)
    finally:
        server.stop()
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
