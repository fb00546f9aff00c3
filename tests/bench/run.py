"""The order of a benchmark: every contender in turn, the first one changing with each run, then medians."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.cluster import new_cluster, size_of
from tests.bench.contenders import (
    BasebackupPipeline,
    Contender,
    Measured,
    PgBackRest,
    PlainBasebackup,
    fresh,
    tree_bytes,
)
from tests.bench.ours import Ours

Say = Callable[[str], None]


@dataclass
class Figures:
    """Everything measured of one contender on one dataset, run by run."""

    name: str
    note: str
    backups: list[Measured] = field(default_factory=list)
    restores: list[Measured] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "note": self.note,
            "backup_seconds": [round(each.seconds, 3) for each in self.backups],
            "backup_median": _median(self.backups),
            "stored_bytes": round(statistics.median(each.stored for each in self.backups))
            if self.backups
            else 0,
            "restore_seconds": [round(each.seconds, 3) for each in self.restores],
            "restore_median": _median(self.restores),
            "backup_phases": dict(self.backups[-1].phases) if self.backups else {},
            "restore_phases": dict(self.restores[-1].phases) if self.restores else {},
            "backup_peak_memory": max((each.peak_memory for each in self.backups), default=0),
            "restore_peak_memory": max((each.peak_memory for each in self.restores), default=0),
        }


def compare(
    folder: Path, dataset: str, scale: int, runs: int, say: Say, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """All contenders on one cluster of `scale` x 15 MB: `{dataset, source_bytes, contenders: [...]}`."""
    say(f"Loading {dataset} at scale {scale}")
    server = new_cluster(folder / "server", dataset, scale)
    try:
        contenders: list[Contender] = [
            Ours(server, folder, "local"), Ours(server, folder, "streamed"), PgBackRest(server, folder),
            BasebackupPipeline(server, folder), PlainBasebackup(server, folder),
        ]  # fmt: skip
        contenders = [each for each in contenders if each.name not in left_out]
        for contender in contenders:
            contender.prepare()
        figures = {each.name: Figures(each.name, each.note) for each in contenders}
        for number in range(runs):
            first = number % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                _one_run(contender, figures[contender.name], folder, tree_bytes(server.data / "base"))
                say(f"  run {number + 1} of {runs}: {_line(figures[contender.name])}")
        return {
            "dataset": dataset, "scale": scale, "runs": runs, "source_bytes": size_of(server),
            "left_out": list(left_out),
            "contenders": [each.as_json() for each in figures.values()],
        }  # fmt: skip
    finally:
        server.stop()
        shutil.rmtree(folder / "server", ignore_errors=True)


def memory(folder: Path, scale: int, say: Say) -> dict[str, Any]:
    """Our peak memory, bytes, for each kind of work on a pgbench cluster of `scale` x 15 MB."""
    say(f"Measuring memory at scale {scale}")
    server = new_cluster(folder / "server", "pgbench", scale)
    try:
        found: dict[str, int] = {}
        for reader in ("local", "streamed"):
            ours = Ours(server, folder, reader)
            ours.prepare()
            found[f"backup, {reader}"] = ours.backup().peak_memory
            found[f"decode, {reader}"] = ours.decode().peak_memory
            found[f"restore, {reader}"] = ours.restore(fresh(folder / "restored")).peak_memory
            shutil.rmtree(folder / "restored")
            shutil.rmtree(ours.repository)
        return {"scale": scale, "source_bytes": size_of(server), "peaks": found}
    finally:
        server.stop()
        shutil.rmtree(folder / "server", ignore_errors=True)


def _one_run(contender: Contender, figures: Figures, folder: Path, table_bytes: int) -> None:
    """A backup, and its restore."""
    contender.clear()
    figures.backups.append(contender.backup())
    if contender.restores:
        figures.restores.append(restored(contender, folder, table_bytes))
        contender.clear()


def restored(contender: Contender, folder: Path, table_bytes: int) -> Measured:
    """A restore that must bring back what was there: a fast tool that lost data has no time."""
    target = fresh(folder / "restored")
    measured = contender.restore(target)
    back = sum(tree_bytes(part) for part in target.rglob("base") if part.is_dir())
    shutil.rmtree(target)
    if back < table_bytes * 0.98:
        raise RuntimeError(f"{contender.name} brought back {back} of {table_bytes} bytes of tables")
    return measured


def _median(measured: list[Measured]) -> float | None:
    return round(statistics.median(each.seconds for each in measured), 3) if measured else None


def _line(figures: Figures) -> str:
    restore = f", restore {figures.restores[-1].seconds:.2f} s" if figures.restores else ""
    return f"{figures.name}: backup {figures.backups[-1].seconds:.2f} s{restore}"
