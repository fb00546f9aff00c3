"""DataProtect as a contender: every action is a process of its own (tests.bench.child)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository
from tests.bench.child import LEVEL, THREADS
from tests.bench.contenders import Measured, flush, tree_bytes
from tests.servers.postgresql import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


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
        self.latest, self._taken = "", 0

    def prepare(self) -> None:
        self.password.write_text(self.server.password)
        run_child("import", folder=self.folder)
        self.clear()

    def clear(self) -> None:
        shutil.rmtree(self.repository, ignore_errors=True)
        shutil.rmtree(self.key.parent, ignore_errors=True)
        Repository.initialise(self.repository.as_uri(), LocalKeyring.create(self.key))
        self.latest = ""

    def backup(self) -> Measured:
        return self._backup("full", "")

    def incremental(self) -> Measured:
        return self._backup("incremental", self.latest)

    def restore(self, target: Path) -> Measured:
        said = self._child("restore", backup=self.latest, target=str(target))
        return Measured(said["seconds"], 0, said["peak_memory"], said["phases"])

    def decode(self) -> Measured:
        """The verification that decrypts and decompresses everything."""
        said = self._child("decode", backup=self.latest)
        return Measured(said["seconds"], 0, said["peak_memory"])

    def _backup(self, kind: str, base: str) -> Measured:
        self._taken += 1
        before, name = tree_bytes(self.repository), f"bench-{self._taken}"
        said = self._child("backup", backup=name, type=kind, base=base, spool=str(spool(self.folder)))
        self.latest = name
        stored = tree_bytes(self.repository) - before
        return Measured(said["seconds"], stored, said["peak_memory"], said["phases"])

    def _child(self, action: str, **more: str) -> dict[str, Any]:
        """One action in a new process, whose start counts, as it does for every other tool."""
        job = {
            "action": action, "repository": self.repository.as_uri(), "key": str(self.key),
            "port": self.server.port, "password": str(self.password), "data": str(self.server.data),
            "reader": self.reader,
        }  # fmt: skip
        started = time.monotonic()
        said = run_child(json.dumps(job | more), folder=self.folder)
        flush(Path(more.get("target", self.folder)))
        seconds = time.monotonic() - started
        # Python's own start, the imports, and the last flush.
        said["phases"]["around"] = round(seconds - sum(said["phases"].values()), 3)
        return said | {"seconds": seconds}


def spool(folder: Path) -> Path:
    found = folder / "spool"
    found.mkdir(exist_ok=True)
    return found


def child_environment(folder: Path) -> dict[str, str]:
    """As an installed program runs: with its bytecode kept, whatever the caller's environment says."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def run_child(job: str, *, folder: Path) -> dict[str, Any]:
    """The answer of tests.bench.child; `import` only makes it ready to start. Raises RuntimeError."""
    program = ["-m", "tests.bench.child", job]
    if job == "import":
        modules = "tests.bench.child, dataprotect.engine.backup, dataprotect.engine.restore"
        program = ["-c", f"import {modules}, dataprotect.engine.databases.postgresql.engine; print('{{}}')"]
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT, capture_output=True, text=True, check=False, env=child_environment(folder),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{job} failed:\n{done.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
