"""DataProtect in a process of its own, so that its peak memory and its processor time are its own too.

`python -m tests.bench.child JOB` with JOB a JSON object; prints a JSON object as its last line. It imports
what a command of ours would, and nothing of the benchmark.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataprotect.core.progress import Silent
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository

if TYPE_CHECKING:
    from dataprotect.engine.model import Source

INSTANCE = "bench"
THREADS, LEVEL = 2, 3


class Phases(Silent):
    """How long each phase of the work took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "start", time.monotonic()

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        now = time.monotonic()
        self.seconds[self._name] = round(self.seconds.get(self._name, 0.0) + now - self._since, 3)
        self._name, self._since = name, now


def _backup(job: dict[str, Any], phases: Phases) -> None:
    from dataprotect.engine.backup import take_backup
    from dataprotect.engine.model import BackupRequest

    request = BackupRequest(
        _source(job), job["backup"], type=job["type"], base_id=job["base"], reader=job["reader"],
        threads=THREADS, compression_level=LEVEL, spool=Path(job["spool"]),
    )  # fmt: skip
    result = take_backup(request, _open(job, write=True), phases)
    if result.base_id != job["base"]:
        raise RuntimeError(f"{job['backup']} does not build on {job['base']!r}: {result.type_reason}")


def _restore(job: dict[str, Any], phases: Phases) -> None:
    from dataprotect.engine.restore import RestoreRequest, restore_files

    request = RestoreRequest(INSTANCE, job["backup"], Path(job["target"]), threads=THREADS)
    restore_files(_open(job), request, phases)


def _decode(job: dict[str, Any], phases: Phases) -> None:
    reader = _open(job).read(INSTANCE, job["backup"])
    if findings := reader.verify_decode(threads=THREADS, reporter=phases):
        raise RuntimeError(str(findings))


def _source(job: dict[str, Any]) -> Source:
    from dataprotect.core.secrets import Secret
    from dataprotect.engine.model import Address, Source

    address = Address("127.0.0.1", job["port"], "postgres", Secret(Path(job["password"]).read_text()))
    return Source(INSTANCE, INSTANCE, address, Path(job["data"]) if job["reader"] == "local" else None)


def _open(job: dict[str, Any], *, write: bool = False) -> Repository:
    return Repository.open(job["repository"], LocalKeyring.load(Path(job["key"])), write=write)


def _peak_memory() -> int:
    """VmHWM in bytes; unlike ru_maxrss it is not inherited over exec."""
    words = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()
    return int(words[0]) * 1024


def main() -> None:
    job, phases = json.loads(sys.argv[1]), Phases()
    {"backup": _backup, "restore": _restore, "decode": _decode}[job["action"]](job, phases)
    phases.phase("end")
    print(json.dumps({"peak_memory": _peak_memory(), "phases": phases.seconds}))


if __name__ == "__main__":
    main()
