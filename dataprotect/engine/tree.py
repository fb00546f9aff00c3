"""Write a restored tree: many threads, open files bounded, everything durable before it counts.

A file held back is written under another name until `release`, so that a half-written tree lacks the file
without which nothing starts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import direct_write
from dataprotect.engine.command import Account
from dataprotect.storage.model import FileEntry

OPEN_FILES = 256
SYNC_THREADS = 4
HELD_BACK = ".dataprotect-incomplete"
Place = Callable[[str], Path | None]
"""Where the entry of this path goes; None leaves it out."""


@dataclass(slots=True)
class _File:
    path: Path
    mode: int
    mtime: float
    direct: bool
    descriptor: int | None = None
    users: int = 0


class TreeSink:
    """A `storage.model.Sink` onto the file system. Use as a context; call `release` when all was written.

    place    decides the destination of every path; it has been checked for safety by the caller
    owner    who owns everything created, when we are root
    held     destinations to hold back until `release`
    durable  fsync every file and folder, and write large files past the page cache; off only for clones,
             which are read at once and thrown away
    Raises ForeseenError `restore.target_full`, `restore.target_failed` from `write` and `release`.
    """

    def __init__(
        self, place: Place, *, owner: Account | None = None, held: Collection[Path] = (), durable: bool = True
    ) -> None:
        self._place, self._owner, self._held, self._durable = place, owner, frozenset(held), durable
        self._lock = threading.Lock()
        self._files: dict[int, _File] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._skipped: set[int] = set()
        self._folders: dict[Path, int | None] = {}
        self._failure: BaseException | None = None
        self._closing: queue.Queue[_File | None] = queue.Queue(maxsize=OPEN_FILES)
        self._threads = [threading.Thread(target=self._close_files, daemon=True) for _ in range(SYNC_THREADS)]
        self.files = 0
        self.bytes = 0
        self.left_out: list[tuple[Path, str]] = []
        """Links of the backup: they lead to the source's disks, so none is made again."""
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> TreeSink:
        return self

    def __exit__(self, *_: object) -> None:
        self._join()
        for file in self._files.values():
            if file.descriptor is not None:
                os.close(file.descriptor)
        self._files.clear()

    def begin(self, entry: FileEntry, number: int) -> None:
        """Create the folder or the empty file."""
        path = self._place(entry.path)
        if path is None:
            self._skipped.add(number)
            return
        with told(path):
            self.folder(path if entry.kind == "directory" else path.parent, entry)
            if entry.kind == "symlink":
                self.left_out.append((path, entry.link))
            elif entry.kind == "file":
                self._create(number, path, entry)

    def write(self, number: int, offset: int, data: memoryview) -> None:
        """Write `data` at `offset` of the file `number`."""
        if number in self._skipped:
            return
        if self._failure is not None:
            raise self._failure
        file = self._acquire(number)
        try:
            with told(file.path):
                view = data.cast("B") if data.format != "B" else data
                write = direct_write.write if file.direct else os.pwrite
                while view:
                    done = write(file.descriptor or 0, view, offset)
                    offset, view = offset + done, view[done:]
        finally:
            self._release_use(number)

    def end(self, number: int) -> None:
        """The file is complete: a thread of ours closes it, durably."""
        if number in self._skipped:
            self._skipped.discard(number)
            return
        with self._lock:
            file = self._files.pop(number, None)
            self._idle.pop(number, None)
        if file is not None:
            self._closing.put(file)

    def folder(self, path: Path, entry: FileEntry | None = None) -> None:
        """Make `path` and what is missing above it, 0700 for now; its own mode is set by `release`.

        A folder that was there already keeps its mode, unless the backup has an entry for it.
        """
        if path not in self._folders:
            if path.exists():
                self._folders[path] = None
            else:
                self.folder(path.parent)
                path.mkdir(0o700)
                self._own(path)
                self._folders[path] = 0o700
        if entry is not None and entry.kind == "directory":
            self._folders[path] = entry.mode & 0o7777

    def root(self, path: Path) -> None:
        """Make `path`, or take the empty folder that is there, as one of the owner's own, 0700."""
        with told(path):
            path.mkdir(0o700, exist_ok=True)
            self._own(path)
            self._folders[path] = 0o700

    def plain(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Write a file of our own making, instead of any the backup holds."""
        with told(path):
            self.folder(path.parent)
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if self._owner:
                    os.fchown(descriptor, self._owner.uid, self._owner.gid)
                if self._durable:
                    os.fsync(descriptor)

    def link(self, path: Path, target: Path) -> None:
        """Make a link of our own."""
        with told(path):
            self.folder(path.parent)
            path.symlink_to(target)
            self._own(path)

    def release(self) -> None:
        """Everything was written: make it durable, give folders their modes, let go of what was held back."""
        self._join()
        if self._failure is not None:
            raise self._failure
        if self._files:
            unfinished = next(iter(self._files.values())).path
            raise ForeseenError(
                "restore.incomplete",
                f"The file {unfinished} was never completed.",
                "Verify the backup at level decode; the restored folder is not usable.",
            )
        self._sync_folders()
        for path in self._held:
            with told(path):
                held_name(path).rename(path)
                self._sync_folder(path.parent)

    def _create(self, number: int, path: Path, entry: FileEntry) -> None:
        name = held_name(path) if path in self._held else path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600)
        try:
            direct = self._prepare(descriptor, entry.size)
        except BaseException:
            os.close(descriptor)
            raise
        file = _File(name, entry.mode & 0o7777, entry.mtime, direct, descriptor)
        with self._lock:
            self._files[number] = file
            self._idle[number] = None
            self._evict()
        self.files += 1
        self.bytes += entry.size

    def _prepare(self, descriptor: int, size: int) -> bool:
        """Give it its owner and its room; True when it is to be written directly."""
        if self._owner:
            os.fchown(descriptor, self._owner.uid, self._owner.gid)
        direct = self._durable and direct_write.suits(size) and direct_write.ask_for(descriptor)
        if direct:
            direct_write.reserve(descriptor, size)
        return direct

    def _acquire(self, number: int) -> _File:
        with self._lock:
            file = self._files[number]
            if file.descriptor is None:
                self._evict()
                with told(file.path):
                    file.descriptor = os.open(file.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                    file.direct = file.direct and direct_write.ask_for(file.descriptor)
            file.users += 1
            self._idle.pop(number, None)
            return file

    def _release_use(self, number: int) -> None:
        with self._lock:
            file = self._files.get(number)
            if file is not None:
                file.users -= 1
                if file.users == 0:
                    self._idle[number] = None

    def _evict(self) -> None:
        """Close the file unused for longest when too many are open. Called with the lock held."""
        while len(self._idle) > OPEN_FILES:
            number, _ = self._idle.popitem(last=False)
            file = self._files[number]
            if file.descriptor is not None:
                os.close(file.descriptor)
                file.descriptor = None

    def _close_files(self) -> None:
        while (file := self._closing.get()) is not None:
            try:
                with told(file.path):
                    self._close(file)
            except BaseException as error:  # noqa: BLE001  raised to whoever writes next
                self._failure = error

    def _close(self, file: _File) -> None:
        descriptor = file.descriptor
        if descriptor is None:
            descriptor = os.open(file.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, file.mode)
            os.utime(descriptor, (file.mtime, file.mtime))
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _join(self) -> None:
        for _ in self._threads:
            self._closing.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _sync_folders(self) -> None:
        """Deepest first, so that a folder is durable before the name that leads to it."""
        for path, mode in sorted(self._folders.items(), key=lambda item: len(item[0].parts), reverse=True):
            with told(path):
                if mode is not None:
                    path.chmod(mode)
                self._sync_folder(path)

    def _sync_folder(self, path: Path) -> None:
        if self._durable:
            sync_folder(path)

    def _own(self, path: Path) -> None:
        if self._owner:
            os.chown(path, self._owner.uid, self._owner.gid, follow_symlinks=False)


def held_name(path: Path) -> Path:
    """The name a held-back file has until it may be used."""
    return path.with_name(path.name + HELD_BACK)


def sync_folder(path: Path) -> None:
    """Make the names in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class told(contextlib.AbstractContextManager[None]):
    """Turn an operating system's refusal to write `path` into a sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ForeseenError(
                "restore.target_full",
                f"There was no space left for {self._path}.",
                "Delete the incomplete folder, free space or choose another target, and restore again.",
            ) from error
        raise ForeseenError(
            "restore.target_failed",
            f"{self._path} could not be written: {error.strerror or error}.",
            "Correct the cause, delete the incomplete folder, and restore again.",
        ) from error
