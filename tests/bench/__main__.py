"""`python -m tests.bench [--scale 100] [--runs 5]`: a table, and the same as one JSON line at the end."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.cluster import DATASETS
from tests.bench.report import lines, machine
from tests.bench.run import compare, memory


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--scale", type=int, default=100, help="pgbench scale; 100 is about 1.5 GB")
    parser.add_argument("--runs", type=int, default=5, help="runs of every contender; the median counts")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory at 1 and 4 x scale")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where there is room")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="NAME", help="other tools not to run")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    folder = Path(tempfile.mkdtemp(prefix="dataprotect-bench-", dir=chosen.folder))
    folder.chmod(0o711)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    report: dict[str, object] = {"machine": machine(), "comparisons": [], "memory": []}
    try:
        report["comparisons"] = [
            compare(folder, dataset, chosen.scale, chosen.runs, say, chosen.leave_out)
            for dataset in chosen.datasets
        ]
        if not chosen.no_memory:
            report["memory"] = [memory(folder, scale, say) for scale in (chosen.scale, chosen.scale * 4)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(lines(report)))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
