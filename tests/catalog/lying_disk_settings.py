"""Settings under which the repository's disk loses one bit of the newest pack once the backup is sealed."""

from pathlib import Path

from dataprotect.core import steps
from dataprotect.settings import *  # noqa: F403
from dataprotect.settings import DATAPROTECT_HOME


def _lose_a_bit(name: str) -> None:
    if name != "backup.after_seal":
        return
    repository = DATAPROTECT_HOME.parent / f"{DATAPROTECT_HOME.name}-repository"
    pack = max(Path(repository).rglob("packs/*"), key=lambda file: file.stat().st_mtime_ns)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


steps.hook = _lose_a_bit
