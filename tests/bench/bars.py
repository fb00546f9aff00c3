"""The bars we set ourselves (design, "numbers to hold"), each with what this run measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

LOCAL, STREAMED = "dataprotect, local reader", "dataprotect, streamed reader"
PGBACKREST, PIPELINE = "pgbackrest", "pg_basebackup | zstd | openssl"
FLOOR = "pg_basebackup > /dev/null"
MEMORY = 300 << 20


class Bar(NamedTuple):
    """`measured` and `bar` in the same unit; `least`: it has to be at least the bar, else at most."""

    name: str
    measured: float
    bar: float
    least: bool

    @property
    def met(self) -> bool:
        return self.measured >= self.bar if self.least else self.measured <= self.bar


def bars(report: dict[str, Any]) -> Iterator[Bar]:
    """A bar for everything that was measured, in the order of the report."""
    for comparison in report["comparisons"]:
        yield from _full(comparison)
    if report["incremental"]:
        yield from _incremental(report["incremental"])
    if found := report["shipping"]:
        yield Bar("log stream: seconds a commit was exposed, at most", found["exposure_most"], 10.0, False)
    if found := report["replay"]:
        yield Bar("replay: seconds, as a multiple of plain files and cp", found["ratio"], 1.1, False)
    for memory in report["memory"]:
        size, peak = memory["source_bytes"] / 1e9, max(memory["peaks"].values())
        yield Bar(f"peak memory on {size:.1f} GB, MiB", peak / (1 << 20), MEMORY >> 20, False)


def _full(comparison: dict[str, Any]) -> Iterator[Bar]:
    what, by_name = comparison["dataset"], {each["name"]: each for each in comparison["contenders"]}
    yield from _ratio(
        f"{what}: local backup, times pgbackrest", by_name, PGBACKREST, LOCAL, "backup_median", 2.0
    )
    yield from _ratio(f"{what}: restore, times pgbackrest", by_name, PGBACKREST, LOCAL, "restore_median", 1.5)
    yield from _ratio(
        f"{what}: streamed backup, times the pipeline", by_name, PIPELINE, STREAMED, "backup_median", 1.5
    )
    if FLOOR in by_name:
        floor = by_name[STREAMED]["backup_median"] / by_name[FLOOR]["backup_median"]
        yield Bar(f"{what}: streamed backup, as a multiple of the floor", floor, 1.25, False)


def _incremental(found: dict[str, Any]) -> Iterator[Bar]:
    by_name = {each["name"]: each for each in found["contenders"]}
    for name, key, bar in (
        ("incremental: faster than pgbackrest's, times", "backup_median", 2.0),
        ("incremental: smaller than pgbackrest's, times", "stored_bytes", 2.0),
        ("restore of full + incrementals, times pgbackrest", "restore_median", 1.5),
    ):
        yield from _ratio(name, by_name, PGBACKREST, LOCAL, key, bar)


def _ratio(
    name: str, by_name: dict[str, dict[str, Any]], other: str, ours: str, key: str, bar: float
) -> Iterator[Bar]:
    if other in by_name:
        yield Bar(name, by_name[other][key] / by_name[ours][key], bar, True)
