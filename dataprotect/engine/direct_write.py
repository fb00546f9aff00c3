"""Writes that go to the disk at once instead of through the page cache.

What a restore writes is durable before it counts, and nobody reads it meanwhile. Through the page cache each
byte is copied into a page that has to be found, kept, written back and waited for; that costs several times
what decoding the byte does, and drives out what other servers of the machine have cached.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import threading

import numpy as np

UNIT = 4096
"""Offset, length and memory of a direct write are multiples of the disk's sector; no sector is larger."""
WORTH_IT = 256 << 10
"""Bytes of a file from which on it pays."""

_NOT_HERE = (errno.EINVAL, errno.EOPNOTSUPP)
_DIRECT: int = getattr(os, "O_DIRECT", 0)
_libc = ctypes.CDLL(None, use_errno=True)
_own = threading.local()


def suits(size: int) -> bool:
    """Whether a file of `size` bytes that is written block by block may be written directly."""
    return bool(_DIRECT) and size >= WORTH_IT and size % UNIT == 0


def ask_for(descriptor: int) -> bool:
    """Write directly through `descriptor` from now on; False where the file system cannot."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | _DIRECT)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def reserve(descriptor: int, size: int) -> None:
    """Ask for the room of the whole file at once, where the file system can do that: writes that make a file
    longer wait for each other. Raises OSError, of a full disk above all.

    `os.posix_fallocate` would write into every block of it where the file system cannot.
    """
    if _libc.fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size)):
        number = ctypes.get_errno()
        if number not in (*_NOT_HERE, errno.ENOSYS):
            raise OSError(number, os.strerror(number))


def write(descriptor: int, data: memoryview, offset: int) -> int:
    """`os.pwrite` for a descriptor that writes directly; goes on through the page cache when it must.

    Raises OSError like `os.pwrite`.
    """
    try:
        return os.pwrite(descriptor, _aligned(data), offset)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~_DIRECT)
    return os.pwrite(descriptor, data, offset)


def _aligned(data: memoryview) -> memoryview:
    """`data` if it begins at a memory page, else a copy that does, good until this thread's next call."""
    if not np.frombuffer(data, np.uint8).ctypes.data % UNIT:
        return data
    buffer: mmap.mmap | None = getattr(_own, "buffer", None)
    if buffer is None or len(buffer) < len(data):
        buffer = _own.buffer = mmap.mmap(-1, len(data))
    view = memoryview(buffer)[: len(data)]
    view[:] = data
    return view
