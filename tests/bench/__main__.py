"""`python -m tests.bench [--scale 100] [--runs 5] [--parts …]`: tables, and one JSON line at the end."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import incremental, replay, shipping
from tests.bench.cluster import DATASETS
from tests.bench.report import lines, machine
from tests.bench.run import compare, memory

PARTS = ("full", "incremental", "shipping", "replay", "memory")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--scale", type=int, default=100, help="pgbench scale; 100 is about 1.5 GB")
    parser.add_argument("--runs", type=int, default=5, help="runs of every contender; the median counts")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="what to measure")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument(
        "--seconds", type=int, default=15, help="load before an incremental; twice it on logs"
    )
    parser.add_argument("--rounds", type=int, default=6, help="incremental backups, one upon the other")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where there is room")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="NAME", help="other tools not to run")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every part that was asked for; the others stay empty."""
    scale, parts = chosen.scale, chosen.parts
    report: dict[str, Any] = {"machine": machine(), "comparisons": [], "memory": []}
    report |= {name: {} for name in ("incremental", "shipping", "replay")}
    if "full" in parts:
        report["comparisons"] = [
            compare(folder, dataset, scale, chosen.runs, say, chosen.leave_out) for dataset in chosen.datasets
        ]
    if "incremental" in parts:
        runs = min(3, chosen.runs)
        report["incremental"] = incremental.measure(
            folder, scale, chosen.seconds, chosen.rounds, runs, say, chosen.leave_out
        )
    small = max(1, scale // 5)
    if "shipping" in parts:
        say("Streaming the log beside pgbench")
        report["shipping"] = shipping.measure(folder, 2 * chosen.seconds, small)
    if "replay" in parts:
        say("Replaying log from the repository and from plain files")
        report["replay"] = replay.measure(folder / "replay", 2 * chosen.seconds, min(3, chosen.runs), small)
    if "memory" in parts:
        report["memory"] = [memory(folder, each, say) for each in (scale, scale * 4)]
    return report


def main() -> None:
    chosen = arguments()
    folder = Path(tempfile.mkdtemp(prefix="dataprotect-bench-", dir=chosen.folder))
    folder.chmod(0o711)
    try:
        report = measure(chosen, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(lines(report)))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
