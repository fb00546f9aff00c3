"""A worker that is killed with -9 at a named step. `python -m … KIND STEP REPOSITORY KEYS FOLDER BACKUP
MAJOR=BIN`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dataprotect.core import steps
from dataprotect.engine.clones import CloneRequest, bring_up
from dataprotect.engine.restore import RestoreRequest, restore_files
from dataprotect.engine.verify import verify
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository

INSTANCE = "instance-1"


def main(kind: str, step: str, url: str, keys: str, folder: str, backup_id: str, binaries: str) -> None:
    def die(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.hook = die
    repository = Repository.open(url, LocalKeyring.load(Path(keys)))
    major, _, programs = binaries.partition("=")
    known = {int(major): Path(programs)}
    if kind == "restore":
        spaces = {"fast": Path(f"{folder}-fast")}
        restore_files(repository, RestoreRequest(INSTANCE, backup_id, Path(folder), spaces))
    elif kind == "clone":
        bring_up(repository, CloneRequest(INSTANCE, backup_id, Path(folder), binaries=known))
    else:
        verify("restore", repository, INSTANCE, backup_id, clones=Path(folder), binaries=known)


if __name__ == "__main__":
    main(*sys.argv[1:])
