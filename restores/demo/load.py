"""Somebody works on the server: pgbench in its own database, and customers who pay in the shop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command
from restores.demo.server import SUPERUSER, DemoServer

if TYPE_CHECKING:
    import subprocess

LONGEST_SECONDS = 3600
BENCH_PER_SECOND = 100
PAYMENTS_PER_SECOND = 20
PAY = """
\\set number random(1, 40000)
INSERT INTO shop.payment (order_id, paid_at, amount)
    SELECT id, clock_timestamp(), total FROM shop.customer_order WHERE id = :number;
"""
_DONE = {"bench": "SELECT count(*) FROM pgbench_history", "shop": "SELECT count(*) FROM shop.payment"}


class Load:
    """Two pgbench processes at a rate that leaves the machine to the reader. `stop` may be called twice."""

    def __init__(self, server: DemoServer) -> None:
        self._server = server
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        script = self._server.place.folder / "pay.sql"
        self._server.write_private(script, PAY)
        self._begin("bench", ["-c", "2", "-R", str(BENCH_PER_SECOND)])
        self._begin("shop", ["-c", "1", "-R", str(PAYMENTS_PER_SECOND), "-f", str(script)])

    def check(self) -> None:
        """Raises `demo.load` when one of them ended by itself."""
        if any(process.poll() is not None for process in self._processes):
            raise ForeseenError(
                "demo.load", "The load on the demo's server ended by itself.", f"Read {self._log}."
            )

    def stop(self) -> None:
        while self._processes:
            command.end_group(self._processes.pop())

    def written(self) -> int:
        """Rows that the load has written and that are still there."""
        return sum(self._count(database, query) for database, query in _DONE.items())

    def _begin(self, database: str, words: list[str]) -> None:
        place, server = self._server.place, self._server
        address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", SUPERUSER]
        # Should the demo be killed, the kernel ends its load as well.
        self._processes.append(
            command.background(
                ["setpriv", "--pdeathsig", "TERM", str(server.binaries / "pgbench"), "-n",
                 "-T", str(LONGEST_SECONDS), *address, *words, database],
                account=place.account, env={"PGPASSFILE": str(server.password_file())}, cwd=place.folder,
                log=self._log,
            )
        )  # fmt: skip

    def _count(self, database: str, query: str) -> int:
        with self._server.connect(database) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return int(str(row[0])) if row else 0

    @property
    def _log(self) -> Path:
        return self._server.place.logs / "load.log"
