"""Files whose pages change, stored page by page on top of an earlier backup."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dataprotect.storage.model import BLOCK, PAGE, PAGED_BLOCKS, Pages, PageTask
from dataprotect.storage.repository import BackupWriter, Entry, Piece, Repository, Seal
from tests.storage.trees import INSTANCE, fill

Examine = Callable[[memoryview, Pages | None], bool]


def sound(_data: memoryview, _changed: Pages | None) -> bool:
    """Nothing had to be put right."""
    return False


def pages(*fillings: int) -> bytes:
    """A page of each of the bytes."""
    return b"".join(bytes([each]) * PAGE for each in fillings)


def submit_paged(
    writer: BackupWriter, path: str, data: bytes, newer: int | None = None, examine: Examine = sound
) -> None:
    """As many blocks per PageTask as may be; the page `newer` of each is said to be newer than the base."""
    number = writer.add(Entry(path, size=len(data)))
    step = BLOCK if writer._base is None else PAGED_BLOCKS * BLOCK
    for start in range(0, len(data), step):
        part = data[start : start + step]
        pieces = [Piece(number, start + at, min(BLOCK, len(part) - at)) for at in range(0, len(part), BLOCK)]

        def read(buffer: memoryview, part: bytes = part) -> None:
            buffer[:] = part

        def dated(data: memoryview) -> Pages:
            found = np.zeros(-(-len(data) // PAGE), dtype=bool)
            if newer is not None:
                found[newer : newer + 1] = True
            return found

        writer.submit(PageTask(pieces, read, examine, dated))


def store_on(
    repository: Repository, backup_id: str, base: str | None, paged: Mapping[str, bytes],
    plain: Mapping[str, bytes] | None = None, newer: int | None = None, examine: Examine = sound,
    **options: object,
) -> Seal:  # fmt: skip
    """Store the files as the backup `backup_id`, compared with the backup `base`."""
    found = repository.base(INSTANCE, base) if base else None
    kind = "incremental" if base else "full"
    try:
        with repository.begin(INSTANCE, backup_id, type=kind, base=found, **options) as writer:  # type: ignore[arg-type]
            for path, data in paged.items():
                submit_paged(writer, path, data, newer, examine)
            fill(writer, plain or {})
            return writer.finish({})
    finally:
        if found is not None:
            found.close()
