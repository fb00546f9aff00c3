"""A full backup and several incremental ones, each after some seconds of pgbench; then restores."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.cluster import checkpoint, new_cluster, pgbench, size_of
from tests.bench.contenders import PgBackRest, tree_bytes
from tests.bench.ours import Ours
from tests.bench.run import Figures, Say, restored
from tests.servers.postgresql import PostgresServer


def measure(
    folder: Path, scale: int, seconds: int, rounds: int, runs: int, say: Say, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """`seconds` of random updates before each of `rounds`; `runs` restores by everybody."""
    say(f"Loading pgbench at scale {scale} for the incremental backups")
    server = new_cluster(folder / "server", "pgbench", scale)
    try:
        contenders = [
            Ours(server, folder, "local"), Ours(server, folder, "streamed"),
            PgBackRest(server, folder, blocks=True),
        ]  # fmt: skip
        contenders = [each for each in contenders if each.name not in left_out]
        figures = {each.name: Figures(each.name, each.note) for each in contenders}
        for contender in contenders:
            contender.prepare()
            contender.backup()
        for number in range(rounds):
            _update(server, seconds)
            for contender in _turned(contenders, number):
                figures[contender.name].backups.append(contender.incremental())
                taken = figures[contender.name].backups[-1]
                say(
                    f"  incremental {number + 1}, {contender.name}: {taken.seconds:.2f} s, {taken.stored:,} B"
                )
        size = tree_bytes(server.data / "base")
        for number in range(runs):
            for contender in _turned(contenders, number):
                figures[contender.name].restores.append(restored(contender, folder, size))
        return {
            "scale": scale, "rounds": rounds, "load_seconds": seconds, "runs": runs,
            "source_bytes": size_of(server), "left_out": list(left_out),
            "contenders": [each.as_json() for each in figures.values()],
        }  # fmt: skip
    finally:
        server.stop()
        shutil.rmtree(folder / "server", ignore_errors=True)


def _update(server: PostgresServer, seconds: int) -> None:
    pgbench(server, "-n", "-c", "4", "-j", "2", "-T", str(seconds))
    checkpoint(server)


def _turned(contenders: Sequence[Any], number: int) -> list[Any]:
    first = number % len(contenders)
    return [*contenders[first:], *contenders[:first]]
