"""What a backup really read: noted on its way to the writer, before anything is compared or stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dataprotect.storage.model import BLOCK, ChunkTask, Entry, PageTask, Task
from dataprotect.storage.writer import BackupWriter


class Recorder:
    """SHA-256 of every block by path and offset, as handed over by the reader and its checks."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[str, int], bytes] = {}
        self.sizes: dict[str, int] = {}
        self._paths: list[str] = []

    def add(self, entry: Entry) -> None:
        self._paths.append(entry.path)
        if entry.kind == "file":
            self.sizes[entry.path] = entry.size

    def recording(self, task: Task) -> Task:
        if isinstance(task, PageTask):
            return replace(task, examine=self._after_examining(task))
        return replace(task, read=self._after_reading(task))

    def differences(self, place: Callable[[str], Path]) -> list[str]:
        """Paths whose restored bytes are not those that were read."""
        wrong = []
        for path, size in self.sizes.items():
            data = place(path).read_bytes()
            for offset in range(0, size, BLOCK):
                if hashlib.sha256(data[offset : offset + BLOCK]).digest() != self.blocks[path, offset]:
                    wrong.append(f"{path} at {offset}")
            if len(data) != size:
                wrong.append(f"{path} has {len(data)} bytes instead of {size}")
        return wrong

    def _after_examining(self, task: PageTask):
        def examine(data, changed):
            righted = task.examine(data, changed)
            self._note(task, data)
            return righted

        return examine

    def _after_reading(self, task: ChunkTask):
        def read(buffer):
            found = task.read(buffer)
            self._note(task, buffer if found is None else found)
            return found

        return read

    def _note(self, task: Task, data: memoryview) -> None:
        at = 0
        for piece in task.pieces:
            part = data[at : at + piece.length]
            self.blocks[self._paths[piece.number], piece.offset] = hashlib.sha256(part).digest()
            at += piece.length


@contextmanager
def recorded() -> Iterator[Recorder]:
    """Every writer inside the block tells what it is given. One backup per block."""
    recorder, patch = Recorder(), pytest.MonkeyPatch()
    add, submit = BackupWriter.add, BackupWriter.submit

    def telling_add(self: BackupWriter, entry: Entry) -> int:
        recorder.add(entry)
        return add(self, entry)

    with patch.context() as patched:
        patched.setattr(BackupWriter, "add", telling_add)
        patched.setattr(BackupWriter, "submit", lambda self, task: submit(self, recorder.recording(task)))
        yield recorder
