"""The local reader: walks the data directory of a server in backup mode and hands its blocks to the writer.

Directories are walked by descriptor and never through a symbolic link, so that nobody who may write into the
data directory can point the worker (which may be root) at a file outside it.
"""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import layout
from dataprotect.engine.databases.postgresql.intake import Examine, Intake
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE
from dataprotect.engine.databases.postgresql.page_inspection import PageInspector
from dataprotect.engine.databases.postgresql.server import Tablespace
from dataprotect.engine.databases.postgresql.small_files import LIMIT, SmallFiles
from dataprotect.storage.model import BLOCK, PAGED_BLOCKS, Pages, Piece

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CONTROL_READS = 50


@dataclass(frozen=True, slots=True)
class Root:
    """A tree to walk: `descriptor` of its top, `prefix` of its paths in the backup, `within` for the
    layout.
    """

    descriptor: int
    prefix: str
    within: str


class SharedFile:
    """An open file that several chunks read from; closed when the last of them has."""

    def __init__(self, descriptor: int, chunks: int, wrong: Callable[[OSError], ForeseenError]) -> None:
        # A file object, because it closes itself when a failed writer drops its chunks unread.
        self._file = io.FileIO(descriptor)
        self._left, self._wrong = chunks, wrong
        self._lock = Lock()

    def read(self, buffer: memoryview, offset: int) -> None:
        """Fill the buffer from `offset`; what the file no longer has (it was truncated) is zero."""
        fill(self._file.fileno(), buffer, offset, self._wrong)

    def page(self, offset: int) -> bytes:
        return os.pread(self._file.fileno(), PAGE_SIZE, offset)

    def done(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._file.close()


def fill(descriptor: int, buffer: memoryview, offset: int, wrong: Callable[[OSError], ForeseenError]) -> None:
    """Read exactly `len(buffer)` bytes, zeros beyond the end of the file (redo brings back what was
    there).
    """
    done = 0
    try:
        while done < len(buffer):
            count = os.preadv(descriptor, [buffer[done:]], offset + done)
            if count == 0:
                buffer[done:] = bytes(len(buffer) - done)
                return
            done += count
    except OSError as error:
        raise wrong(error) from None


class LocalReader:
    """Reads everything a backup holds except pg_control, which comes last, and the log."""

    def __init__(
        self, directory: Path, tablespaces: tuple[Tablespace, ...], version_directory: str,
        intake: Intake, inspector: PageInspector, paged: bool,
    ) -> None:  # fmt: skip
        """`paged`: pages are of the size that blocks are compared by."""
        self._paged = paged
        self._directory, self._tablespaces, self._version = directory, tablespaces, version_directory
        self._intake, self._inspector = intake, inspector
        self._small = SmallFiles(intake, inspector)
        self._elsewhere = {os.path.realpath(directory / space.location) for space in tablespaces}

    def read(self) -> None:
        """Walk the tablespaces and the data directory."""
        for space in self._tablespaces:
            self._tablespace(space)
        try:
            top = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._wrong("", error) from None
        try:
            self._intake.directory("pgdata", os.fstat(top).st_mode, os.fstat(top).st_mtime)
            self._walk(Root(top, "pgdata", ""), top, "")
        finally:
            os.close(top)
        self._small.flush()

    def read_control(self) -> None:
        """pg_control, after everything else. Read until two reads agree: the server may be writing it."""
        path = self._directory / layout.CONTROL_FILE
        try:
            last = path.read_bytes()
            for _ in range(_CONTROL_READS):
                again = path.read_bytes()
                if again == last:
                    self._intake.content(f"pgdata/{layout.CONTROL_FILE}", again)
                    return
                last = again
                time.sleep(0.01)
        except OSError as error:
            raise self._wrong(layout.CONTROL_FILE, error) from None
        raise ForeseenError(
            "postgresql.control_busy",
            f"{path} changed at every one of {_CONTROL_READS} looks.",
            "Run the backup again when the server checkpoints less often.",
            retry=True,
        )

    def _tablespace(self, space: Tablespace) -> None:
        link = f"{layout.TABLESPACE_LINKS}/{space.oid}"
        inside = not space.location.startswith("/")
        prefix = f"pgdata/{link}" if inside else f"tablespaces/{space.oid}"
        try:
            top = os.open(self._directory / link / self._version, _DIRECTORY_FLAGS)
        except FileNotFoundError:
            return  # dropped between the listing and now: redo drops it too
        except OSError as error:
            raise self._wrong(f"{link}/{self._version}", error) from None
        try:
            self._intake.directory(prefix, 0o700, os.fstat(top).st_mtime)
            self._intake.directory(f"{prefix}/{self._version}", os.fstat(top).st_mode, os.fstat(top).st_mtime)
            self._walk(Root(top, prefix, link + "/"), top, self._version)
        finally:
            os.close(top)

    def _walk(self, root: Root, descriptor: int, directory: str) -> None:
        unlogged = self._unlogged(descriptor) if layout.is_database_directory(directory) else frozenset()
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if layout.is_excluded(directory, entry.name) or layout.is_unlogged_data(entry.name, unlogged):
                    continue
                self._entry(root, descriptor, directory, entry)

    def _entry(self, root: Root, parent: int, directory: str, entry: os.DirEntry[str]) -> None:
        path = f"{directory}/{entry.name}" if directory else entry.name
        if not entry.name.isprintable():
            self._intake.warnings.append(f"{path!a} has a name that is no text and was left out.")
        elif entry.is_dir(follow_symlinks=False):
            self._directory_entry(root, parent, path, entry)
        elif entry.is_file(follow_symlinks=False):
            if (root.within, path) != ("", layout.CONTROL_FILE):
                self._file(root, parent, path, entry.name)
        elif entry.is_symlink() and not root.within:
            self._link(root, parent, directory, entry)
        else:
            self._intake.warnings.append(f"{path} is neither a file nor a directory and was left out.")

    def _directory_entry(self, root: Root, parent: int, path: str, entry: os.DirEntry[str]) -> None:
        if not root.within and os.path.realpath(self._directory / path) in self._elsewhere:
            return  # a tablespace somebody put inside the data directory: it was walked on its own
        try:
            descriptor = os.open(entry.name, _DIRECTORY_FLAGS, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._wrong(path, error) from None
        try:
            about = os.fstat(descriptor)
            self._intake.directory(f"{root.prefix}/{path}", about.st_mode, about.st_mtime)
            if path == layout.WAL_DIRECTORY and not root.within:
                self._intake.directory(f"{root.prefix}/{path}/archive_status", about.st_mode, about.st_mtime)
            elif not (layout.is_kept_empty(path.rpartition("/")[0], entry.name) and not root.within):
                self._walk(root, descriptor, path)
        finally:
            os.close(descriptor)

    def _link(self, root: Root, parent: int, directory: str, entry: os.DirEntry[str]) -> None:
        path = f"{root.prefix}/{directory}/{entry.name}" if directory else f"{root.prefix}/{entry.name}"
        if directory == layout.TABLESPACE_LINKS:
            self._intake.symlink(path, os.readlink(entry.name, dir_fd=parent))
        elif layout.is_kept_empty(directory, entry.name):
            self._intake.directory(path, 0o700, time.time())
            if entry.name == layout.WAL_DIRECTORY:
                self._intake.directory(f"{path}/archive_status", 0o700, time.time())
        else:
            self._intake.warnings.append(f"{path} is a symbolic link and was not followed.")

    def _file(self, root: Root, parent: int, path: str, name: str) -> None:
        try:
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=parent)
        except FileNotFoundError:
            return  # dropped since it was listed: redo drops it too
        except OSError as error:
            raise self._wrong(path, error) from None
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            os.close(descriptor)
            self._intake.warnings.append(f"{path} is neither a file nor a directory and was left out.")
            return
        number = self._intake.file(f"{root.prefix}/{path}", about.st_mode, about.st_mtime, about.st_size)
        relation = self._inspector.wants(path)
        if about.st_size <= LIMIT:
            self._small_file(root, path, descriptor, number, about.st_size, relation)
        else:
            self._large_file(root, path, descriptor, number, about.st_size, relation)

    def _small_file(
        self, root: Root, path: str, descriptor: int, number: int, size: int,
        relation: layout.RelationFile | None,
    ) -> None:  # fmt: skip
        try:
            fill(descriptor, self._small.room(size), 0, partial(self._wrong, path))
        finally:
            os.close(descriptor)
        again = partial(self._page, root.within + path)
        self._small.keep(number, f"{root.prefix}/{path}", size, relation, again)

    def _large_file(
        self, root: Root, path: str, descriptor: int, number: int, size: int,
        relation: layout.RelationFile | None,
    ) -> None:  # fmt: skip
        named = f"{root.prefix}/{path}"
        paged = self._paged and layout.is_main_fork(path)
        step = BLOCK * (PAGED_BLOCKS if paged and self._intake.since else 1)
        file = SharedFile(descriptor, -(-size // step), partial(self._wrong, path))
        for start in range(0, size, step):
            offsets = range(start, min(start + step, size), BLOCK)
            pieces = [Piece(number, offset, min(BLOCK, size - offset)) for offset in offsets]
            examine = partial(self._examine, file, named, relation, start)
            if paged:
                self._intake.submit_pages(pieces, partial(_read_block, file, start), examine)
            else:
                self._intake.submit(pieces, partial(_read_whole, file, start, examine))

    def _examine(
        self, file: SharedFile, path: str, relation: layout.RelationFile | None, offset: int,
        data: memoryview, changed: Pages | None,
    ) -> bool:  # fmt: skip
        try:
            if relation is None:
                return False
            return self._inspector.inspect(path, relation, data, offset, file.page, changed)
        finally:
            file.done()

    def _page(self, path: str, offset: int) -> bytes:
        """A page of a small file, whose descriptor is closed by now."""
        try:
            with (self._directory / path).open("rb") as file:
                return os.pread(file.fileno(), PAGE_SIZE, offset)
        except FileNotFoundError:
            return b""

    @staticmethod
    def _unlogged(descriptor: int) -> frozenset[str]:
        with os.scandir(descriptor) as entries:
            return frozenset(number for entry in entries if (number := layout.init_fork_number(entry.name)))

    def _wrong(self, path: str, error: OSError) -> ForeseenError:
        return ForeseenError(
            "postgresql.unreadable",
            f"The worker could not read {self._directory / path} ({os.strerror(error.errno or 0)}).",
            "Let the worker's user read the data directory, check the disk, or use the streamed reader.",
        )


def _read_block(file: SharedFile, offset: int, buffer: memoryview) -> None:
    file.read(buffer, offset)


def _read_whole(file: SharedFile, offset: int, examine: Examine, buffer: memoryview) -> None:
    file.read(buffer, offset)
    examine(buffer, None)
