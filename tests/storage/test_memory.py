"""Memory stays flat: four times the data, and a file tree of many entries, in the same few MiB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_MIB = 150

CHILD = """
import os, sys
from pathlib import Path
from dataprotect.storage.model import BLOCK
from dataprotect.storage.repository import ChunkTask, Entry, Piece
from tests.storage.trees import INSTANCE, make_repository

folder, blocks, small = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
repository = make_repository(folder)
noise = memoryview(os.urandom(BLOCK // 2) + bytes(BLOCK // 2))

with repository.begin(INSTANCE, "b1", threads=4, spool=folder) as writer:
    for file in range(blocks // 64):
        number = writer.add(Entry(f"big/{file:04}", size=64 * BLOCK))
        for block in range(64):
            writer.submit(ChunkTask([Piece(number, block * BLOCK, BLOCK)], lambda buffer: noise))
    for start in range(0, small, 1000):
        numbers = [writer.add(Entry(f"small/{n:07}", size=100)) for n in range(start, start + 1000)]
        pieces = [Piece(number, 0, 100) for number in numbers]
        writer.submit(ChunkTask(pieces, lambda buffer: noise[: len(buffer)]))
    writer.finish()

class Nowhere:
    files = 0
    def begin(self, entry, number): ...
    def write(self, number, offset, data): ...
    def end(self, number): Nowhere.files += 1

reader = repository.read(INSTANCE, "b1")
reader.copy_to(Nowhere(), threads=4)
assert Nowhere.files == blocks // 64 + small
assert reader.verify_checksums() == []
assert reader.verify_decode(threads=4, spool=folder) == []
# Not ru_maxrss: that one remembers the process that started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)
"""


def peak_mib(folder: Path, blocks: int, small: int) -> int:
    folder.mkdir()
    argv = [sys.executable, "-c", CHILD, str(folder), str(blocks), str(small)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_four_times_the_bytes_take_the_same_memory(tmp_path):
    # The little one is large enough to have filled every buffer: up to some 300 MiB a run still grows by the
    # windows of blocks under way, how fast depends on how the threads take turns.
    little, much = peak_mib(tmp_path / "1", 384, 0), peak_mib(tmp_path / "2", 1536, 0)
    assert much <= LIMIT_MIB
    assert much <= little + 20, "what is held does not depend on how much there is"


@pytest.mark.slow
def test_many_small_files_take_the_same_memory(tmp_path):
    little, much = peak_mib(tmp_path / "1", 0, 20_000), peak_mib(tmp_path / "2", 0, 100_000)
    assert much <= LIMIT_MIB
    assert much <= little + 25, "SQLite's caches and one window of blocks fill up first, then no more"
