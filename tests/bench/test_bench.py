"""`make bench` at its smallest: it runs, everybody brings the data back, and no figure is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.cluster import new_cluster, size_of

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_it_runs_and_measures_everything(workdir: Path) -> None:
    absent = [] if shutil.which("pgbackrest") else ["pgbackrest"]
    words = [
        *("--scale", "1", "--runs", "1", "--datasets", "pgbench", "--folder", str(workdir)),
        *("--rounds", "2", "--seconds", "1"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *words, *(["--leave-out", *absent] if absent else [])],
        cwd=ROOT, capture_output=True, text=True, timeout=500, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    (comparison,) = report["comparisons"]
    assert len(comparison["contenders"]) == 5 - len(absent)
    assert comparison["left_out"] == absent
    for each in comparison["contenders"]:
        assert each["backup_median"] > 0
        assert each["restore_median"] or "/dev/null" in each["name"]
        assert each["name"] in done.stdout
    for each in report["incremental"]["contenders"]:
        assert each["backup_median"] > 0 and each["restore_median"] > 0
        assert 0 < each["stored_bytes"] < comparison["contenders"][0]["stored_bytes"]
    assert report["shipping"]["stored_bytes"] > 0
    assert min(report["replay"]["bytes_per_second"].values()) > 0
    assert done.stdout.count("met\n") + done.stdout.count("MISSED\n") == (6 if absent else 11)
    for memory in report["memory"]:
        assert len(memory["peaks"]) == 6
        assert all(20 << 20 < peak < 300 << 20 for peak in memory["peaks"].values()), memory
    assert not list(workdir.glob("dataprotect-bench-*")), "nothing stays behind"


def test_noise_is_as_large_as_pgbench_of_the_same_scale(workdir: Path) -> None:
    server = new_cluster(workdir / "bench-noise", "noise", 1)
    try:
        assert 30e6 < size_of(server) < 60e6
    finally:
        server.stop()
