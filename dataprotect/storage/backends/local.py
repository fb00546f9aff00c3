"""A repository in a folder of this machine (or one mounted here).

An object is written into `.writing/` on the same filesystem, fsynced, and linked to its name: link
refuses an existing name atomically, where rename would replace it. A writer holds a lock on its
temporary file for as long as it lives, so the file of a dead writer is known by its free lock.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.storage.backends.base import (
    BackendCapabilities,
    ObjectExists,
    ObjectInfo,
    ObjectMissing,
    StorageFull,
)
from dataprotect.storage.backends.names import check_name, check_prefix

WRITING = ".writing"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_GONE = (errno.ENOENT, errno.ENOTDIR)


class LocalBackend:
    """`root` is an absolute folder; it is created by the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def url(self) -> str:
        return self.root.as_uri()

    @property
    def capabilities(self) -> BackendCapabilities:
        return BackendCapabilities(conditional_put=True, free_space=True)

    def create(self, name: str) -> LocalObjectWriter:
        target = self.root / check_name(name)
        if target.exists():
            raise ObjectExists(name)
        with _foreseen(str(self.root)):
            _make_folder(self.root / WRITING)
            return LocalObjectWriter(self.root, name)

    def put(self, name: str, data: bytes) -> None:
        writer = self.create(name)
        try:
            writer.write(data)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._opened(name) as descriptor:
            wanted = os.fstat(descriptor).st_size - offset if length is None else length
            return _read_fully(descriptor, offset, max(wanted, 0))

    def stream(self, name: str, block: int = 1 << 20) -> Iterator[bytes]:
        with self._opened(name) as descriptor:
            while data := os.read(descriptor, block):
                yield data

    def stat(self, name: str) -> ObjectInfo:
        try:
            status = (self.root / check_name(name)).stat()
        except OSError as error:
            raise _translated(error, name) from error
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing(name)
        return ObjectInfo(name, status.st_size)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix).rpartition("/")[0]
        yield from _walk(self.root, folder, prefix)

    def folders(self, prefix: str = "") -> Iterator[str]:
        folder = check_prefix(prefix).rstrip("/")
        for entry in _sorted_entries(self.root / folder):
            name = f"{prefix}{entry.name}/"
            if entry.is_dir(follow_symlinks=False) and next(_walk(self.root, name[:-1], name), None):
                yield name

    def delete(self, name: str) -> None:
        target = self.root / check_name(name)
        with _foreseen(str(self.root)):
            try:
                target.unlink()
            except OSError as error:
                if error.errno in _GONE:
                    return
                raise
            _sync_folder(target.parent)
            self._prune(target.parent)

    def free_bytes(self) -> int | None:
        place = self.root
        while not place.exists():
            place = place.parent
        status = os.statvfs(place)
        return status.f_bavail * status.f_frsize

    def sweep_temporary(self) -> builtins.list[str]:
        """Remove what dead writers left; returns the names. A living writer's file is never touched."""
        folder = self.root / WRITING
        if not folder.is_dir():
            return []
        return [path.name for path in sorted(folder.iterdir()) if _remove_if_dead(path)]

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        try:
            descriptor = os.open(self.root / check_name(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _translated(error, name) from error
        try:
            yield descriptor
        except IsADirectoryError as error:
            raise ObjectMissing(name) from error
        finally:
            os.close(descriptor)

    def _prune(self, folder: Path) -> None:
        """Remove folders that became empty; another writer that fills one at this moment wins."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


class LocalObjectWriter:
    """A temporary file that becomes the object `name` on commit."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._path, self._descriptor = _new_temporary(root / WRITING)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        with _foreseen(str(self._root)):
            while view:
                view = view[os.write(self._descriptor, view) :]

    def commit(self) -> None:
        target = self._root / self._name
        with _foreseen(str(self._root)):
            os.fsync(self._descriptor)
            steps.reached("storage.object.before_link")
            _link(self._path, target, self._name)
            steps.reached("storage.object.after_link")
            self._path.unlink()
            _sync_folder(target.parent)
        self._close()

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _new_temporary(folder: Path) -> tuple[Path, int]:
    """A new file that we hold the lock of."""
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # A sweeper may have taken the file for a dead one between open and lock; then it is unlinked.
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _remove_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path, name: str) -> None:
    for _ in range(8):
        _make_folder(target.parent)
        try:
            os.link(source, target)
            return
        except FileExistsError as error:
            raise ObjectExists(name) from error
        except FileNotFoundError:
            continue  # a concurrent delete pruned the empty folder; make it again
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise _linkless(target.parent) from error
            raise
    raise ObjectMissing(name)


def _linkless(folder: Path) -> ForeseenError:
    return ForeseenError(
        "storage.filesystem",
        f"The filesystem of {folder} cannot give a finished file its name without replacing another.",
        "Keep repositories on a filesystem with hard links, such as ext4, XFS, ZFS or NFS.",
    )


def _make_folder(folder: Path) -> None:
    """Create `folder` and its parents, each made durable in its own parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # pruned meanwhile, with everything in it
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_fully(descriptor: int, offset: int, length: int) -> bytes:
    """One pread is enough except at signals and very large lengths."""
    data = os.pread(descriptor, length, offset)
    if len(data) in (length, 0):
        return data
    parts = [data]
    missing = length - len(data)
    while missing and (data := os.pread(descriptor, missing, offset + length - missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def _walk(root: Path, folder: str, prefix: str) -> Iterator[ObjectInfo]:
    """Objects below `folder` whose names begin with `prefix`, in name order ('/' sorts as a character)."""
    for entry in _sorted_entries(root / folder):
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"):
                yield from _walk(root, name, prefix)
        elif name.startswith(prefix):
            with contextlib.suppress(FileNotFoundError):
                yield ObjectInfo(name, entry.stat().st_size)


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in `folder`, in the order of object names; nothing when it is not there."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise _translated(error, str(folder)) from error
    return sorted(found, key=lambda item: item.name + "/" * item.is_dir(follow_symlinks=False))


@contextlib.contextmanager
def _foreseen(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _translated(error, where) from error


def _translated(error: OSError, where: str) -> ForeseenError:
    """The foreseen failure behind an operating-system error at `where` (an object or the folder)."""
    if error.errno in _NO_SPACE:
        return StorageFull(where)
    if error.errno in _GONE:
        return ObjectMissing(where)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ForeseenError(
            "storage.denied",
            f"The operating system refused access to {where} ({os.strerror(error.errno)}).",
            "Give the worker's user the rights on the repository's folder, or mount it writable.",
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ForeseenError(
        "storage.unavailable",
        f"Reading or writing {where} failed: {reason}.",
        "Check the disk or mount that holds the repository.",
        retry=True,
    )
