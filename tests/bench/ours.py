"""DataProtect in a process of its own, so that its peak memory is its own too.

`python -m tests.bench.ours JOB` with JOB a JSON object; prints a JSON object: seconds, stored, peak_memory.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dataprotect.core.progress import Silent
from dataprotect.core.secrets import Secret
from dataprotect.engine.backup import peak_memory, take_backup
from dataprotect.engine.model import Address, BackupRequest, Source
from dataprotect.engine.restore import RestoreRequest, restore_files
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository
from tests.bench.contenders import LEVEL, THREADS, Measured, flush, tree_bytes
from tests.servers.postgresql import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
INSTANCE, BACKUP = "bench", "bench-full"


class Ours:
    """Fingerprint and log included: what the backup needs to be compared and to stand alone."""

    restores = True

    def __init__(self, server: PostgresServer, folder: Path, reader: str) -> None:
        self.server, self.folder, self.reader = server, folder, reader
        self.name = f"dataprotect, {reader} reader"
        self.note = f"{THREADS} threads, zstd {LEVEL}, aes-256-gcm, log and fingerprint included"
        self.repository = folder / f"ours-{reader}"
        self.key = folder / f"ours-{reader}-key" / "keyring.json"
        self.password = folder / "password"

    def prepare(self) -> None:
        self.password.write_text(self.server.password)
        self.clear()

    def clear(self) -> None:
        shutil.rmtree(self.repository, ignore_errors=True)
        shutil.rmtree(self.key.parent, ignore_errors=True)
        Repository.initialise(self.repository.as_uri(), LocalKeyring.create(self.key))

    def backup(self) -> Measured:
        said = self._child("backup", spool=str(self._spool()))
        return Measured(said["seconds"], tree_bytes(self.repository), said["peak_memory"], said["phases"])

    def restore(self, target: Path) -> Measured:
        said = self._child("restore", target=str(target))
        return Measured(said["seconds"], 0, said["peak_memory"], said["phases"])

    def decode(self) -> Measured:
        """The verification that decrypts and decompresses everything."""
        said = self._child("decode")
        return Measured(said["seconds"], 0, said["peak_memory"])

    def _child(self, action: str, **more: str) -> dict[str, Any]:
        """One of the actions below in a new process, whose start counts, as it does for every other tool."""
        job = {
            "action": action, "repository": self.repository.as_uri(), "key": str(self.key),
            "port": self.server.port, "password": str(self.password), "data": str(self.server.data),
            "reader": self.reader,
        }  # fmt: skip
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.ours", json.dumps(job | more)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{self.name} failed at {action}:\n{done.stderr[-4000:]}")
        flush(Path(more.get("target", self.folder)))
        seconds = time.monotonic() - started
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        # Python's own start, the imports, and the last flush.
        said["phases"]["around"] = round(seconds - sum(said["phases"].values()), 3)
        return said | {"seconds": seconds}

    def _spool(self) -> Path:
        spool = self.folder / "spool"
        spool.mkdir(exist_ok=True)
        return spool


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
    address = Address("127.0.0.1", job["port"], "postgres", Secret(Path(job["password"]).read_text()))
    data = Path(job["data"]) if job["reader"] == "local" else None
    request = BackupRequest(
        Source(INSTANCE, INSTANCE, address, data), BACKUP, reader=job["reader"], threads=THREADS,
        compression_level=LEVEL, spool=Path(job["spool"]),
    )  # fmt: skip
    take_backup(request, _open(job, write=True), phases)


def _restore(job: dict[str, Any], phases: Phases) -> None:
    request = RestoreRequest(INSTANCE, BACKUP, Path(job["target"]), threads=THREADS)
    restore_files(_open(job), request, phases)


def _decode(job: dict[str, Any], phases: Phases) -> None:
    findings = _open(job).read(INSTANCE, BACKUP).verify_decode(threads=THREADS, reporter=phases)
    if findings:
        raise RuntimeError(str(findings))


def _open(job: dict[str, Any], *, write: bool = False) -> Repository:
    return Repository.open(job["repository"], LocalKeyring.load(Path(job["key"])), write=write)


def main() -> None:
    job, phases = json.loads(sys.argv[1]), Phases()
    {"backup": _backup, "restore": _restore, "decode": _decode}[job["action"]](job, phases)
    phases.phase("end")
    print(json.dumps({"peak_memory": peak_memory(), "phases": phases.seconds}))


if __name__ == "__main__":
    main()
