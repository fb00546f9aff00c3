"""Files whose pages change, stored page by page on top of an earlier backup."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dataprotect.storage.model import BLOCK, PAGE, Pages, PageTask
from dataprotect.storage.repository import BackupWriter, Entry, Piece, Repository, Seal
from tests.storage.trees import INSTANCE, fill


def pages(*fillings: int) -> bytes:
    """A page of each of the bytes."""
    return b"".join(bytes([each]) * PAGE for each in fillings)


def submit_paged(writer: BackupWriter, path: str, data: bytes, newer: int | None = None) -> None:
    """One PageTask per block; the page `newer` of each is said to be newer than the base."""
    number = writer.add(Entry(path, size=len(data)))
    for offset in range(0, len(data), BLOCK):
        part = data[offset : offset + BLOCK]

        def read(buffer: memoryview, part: bytes = part) -> None:
            buffer[:] = part

        def dated(data: memoryview) -> Pages:
            found = np.zeros(-(-len(data) // PAGE), dtype=bool)
            if newer is not None:
                found[newer : newer + 1] = True
            return found

        writer.submit(PageTask(Piece(number, offset, len(part)), read, lambda data, changed: False, dated))


def store_on(
    repository: Repository, backup_id: str, base: str | None, paged: Mapping[str, bytes],
    plain: Mapping[str, bytes] | None = None, newer: int | None = None, **options: object,
) -> Seal:  # fmt: skip
    """Store the files as the backup `backup_id`, compared with the backup `base`."""
    found = repository.base(INSTANCE, base) if base else None
    kind = "incremental" if base else "full"
    try:
        with repository.begin(INSTANCE, backup_id, type=kind, base=found, **options) as writer:  # type: ignore[arg-type]
            for path, data in paged.items():
                submit_paged(writer, path, data, newer)
            fill(writer, plain or {})
            return writer.finish({})
    finally:
        if found is not None:
            found.close()
