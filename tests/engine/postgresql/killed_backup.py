"""Take one backup in a process of its own, and die by SIGKILL the first time a named step is reached.

`python -m tests.engine.postgresql.killed_backup REPOSITORY KEYS SPOOL PORT READER BACKUP_ID[:BASE_ID] [STEP]`
With BASE_ID it is an incremental backup.
Without STEP it finishes, and prints every step it came through, one per line. The password comes on stdin.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.secrets import Secret
from dataprotect.engine.backup import take_backup
from dataprotect.engine.model import Address, BackupRequest, Source
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository


def main() -> None:
    repository, keys, spool, port, reader, backup_id, *fatal = sys.argv[1:]
    backup_id, _, base = backup_id.partition(":")
    seen: dict[str, None] = {}

    def hook(name: str) -> None:
        seen[name] = None
        if [name] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.hook = hook
    address = Address("127.0.0.1", int(port), "postgres", Secret(sys.stdin.readline().strip()))
    opened = Repository.open(repository, LocalKeyring.load(Path(keys)), write=True)
    request = BackupRequest(
        Source("instance-1", "bench", address),
        backup_id,
        reader=reader,  # type: ignore[arg-type]
        spool=Path(spool),
        type="incremental" if base else "full",
        base_id=base,
    )
    take_backup(request, opened)
    print("\n".join(seen))


if __name__ == "__main__":
    main()
