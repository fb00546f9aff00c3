"""The figures as a table for people: medians, and everybody's time as a multiple of our local reader's."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.bars import bars

MEBIBYTE = 1 << 20


def machine() -> dict[str, Any]:
    """Figures without the hardware beside them say nothing."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": names[0] if names else platform.machine(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
    }


def lines(report: dict[str, Any]) -> Iterator[str]:
    facts = report["machine"]
    memory = facts["memory_bytes"] >> 30
    yield f"{facts['cores']} cores ({facts['processor']}), {memory} GiB, load {facts['load_before']}"
    for comparison in report["comparisons"]:
        yield ""
        yield from _comparison(comparison)
    if report["incremental"]:
        yield ""
        yield from _incremental(report["incremental"])
    for name, part in (("shipping", _shipping), ("replay", _replay)):
        if report[name]:
            yield ""
            yield from part(report[name])
    for measured in report["memory"]:
        yield ""
        yield f"Our peak memory on {measured['source_bytes'] / 1e9:.2f} GB, in MiB"
        for name, value in measured["peaks"].items():
            yield f"  {name:20}{value / MEBIBYTE:8.0f}"
    yield ""
    yield f"{'The bars':52}{'measured':>9}{'bar':>10}"
    for bar in bars(report):
        limit = f"{'>=' if bar.least else '<='} {bar.bar:g}"
        yield f"  {bar.name:50}{bar.measured:9.2f}{limit:>10}  {'met' if bar.met else 'MISSED'}"


def _incremental(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Incremental, {found['source_bytes'] / 1e9:.2f} GB, {found['load_seconds']} s of pgbench before "
        f"each of {found['rounds']}, median; restore of full + {found['rounds']}, median of {found['runs']}"
    )
    yield from _table(found)


def _shipping(found: dict[str, Any]) -> Iterator[str]:
    speed = found["transactions_per_second"]
    yield f"The log stream beside {found['load_seconds']} s of pgbench, 4 clients at full speed"
    yield (
        f"  {found['log_bytes_per_second'] / 1e6:.1f} MB/s of log; segments behind: median "
        f"{found['segments_behind_median']:.2f}, most {found['segments_behind_most']:.2f}; "
        f"a commit exposed for {found['exposure_most']:.1f} s at most"
    )
    yield (
        f"  all stored {found['catch_up_seconds']:.1f} s after the load; "
        f"{found['cpu_share_of_one_core']:.0%} of one core; {speed['with it']:.0f} transactions/s, "
        f"{speed['without the stream']:.0f} without it"
    )


def _replay(found: dict[str, Any]) -> Iterator[str]:
    rates = found["bytes_per_second"]
    yield f"Replay of {found['log_bytes'] / 1e6:.0f} MB of log after a restore, MB/s"
    for name, rate in rates.items():
        yield f"  {name:31}{rate / 1e6:9.1f}"


def _comparison(comparison: dict[str, Any]) -> Iterator[str]:
    size = comparison["source_bytes"]
    yield (
        f"{comparison['dataset']}, scale {comparison['scale']}: {size / 1e9:.2f} GB, "
        f"median of {comparison['runs']}, alternating"
    )
    yield from _table(comparison)


def _table(comparison: dict[str, Any]) -> Iterator[str]:
    size = comparison["source_bytes"]
    yield f"  {'':31}{'backup s':>9}{'x ours':>8}{'MB/s':>7}{'stored MB':>11}{'restore s':>11}{'x ours':>8}"
    local = comparison["contenders"][0]
    for each in comparison["contenders"]:
        backup, restore = each["backup_median"], each["restore_median"]
        rate, times, stored = size / 1e6 / backup, backup / local["backup_median"], each["stored_bytes"] / 1e6
        yield (
            f"  {each['name']:31}{backup:9.2f}{times:8.2f}{rate:7.0f}{stored:11.1f}"
            + _restored(restore, local["restore_median"])
        )
    for each in comparison["contenders"]:
        yield f"    {each['name']}: {each['note']}"
    for each in comparison["contenders"]:
        for work in ("backup", "restore"):
            if phases := each[f"{work}_phases"]:
                parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in phases.items())
                yield f"    {each['name']}, last {work}, in seconds: {parts}"
    for name in comparison["left_out"]:
        yield f"    {name}: left out of this run"


def _restored(seconds: float | None, ours: float) -> str:
    return f"{'-':>11}{'-':>8}" if seconds is None else f"{seconds:11.2f}{seconds / ours:8.2f}"
