"""Clusters as initdb makes them, made once per kind and copied: a copy costs a tenth of it.

A copy gets a system identifier of its own. Everything else, positions in the log too, is as initdb left it.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataprotect.engine.databases.postgresql.commit_record import crc32c

Run = Callable[..., Any]
"""Runs a program's words as the user of the servers."""

_IDENTIFIER = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_IDENTIFIER_IN_LOG = 24
"""Of the long header on a segment's first page, behind the short one. Page headers have no checksum."""
_made: dict[tuple[object, ...], Path] = {}


def fresh_cluster(run: Run, binaries: Path, data: Path, *, checksums: bool, password: str) -> None:
    """Make `data`, a folder that is not there yet. Its superuser is `postgres`."""
    kind = (binaries, checksums, password)
    kept = _made.get(kind)
    if kept is None or not kept.exists():
        _initdb(run, binaries, data, checksums, password)
        kept = _made[kind] = data.parent.parent / f"initdb-{secrets.token_hex(4)}"
        run("cp", "-a", data, data.parent / "kept")
        (data.parent / "kept").rename(kept)
    else:
        run("cp", "-a", kept, data)
        _name_anew(data)


def _initdb(run: Run, binaries: Path, data: Path, checksums: bool, password: str) -> None:
    secret = data.parent / "pw"
    secret.write_text(password)
    secret.chmod(0o644)
    extra = ["--data-checksums"] if checksums else []
    run(
        binaries / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
        "-E", "UTF8", "--locale=C.UTF-8", f"--pwfile={secret}", *extra,
    )  # fmt: skip
    secret.unlink()


def _name_anew(data: Path) -> None:
    """The identifier stands in the control file and in each segment of the log, and the server compares."""
    control = bytearray((data / "global" / "pg_control").read_bytes())
    (old,) = _IDENTIFIER.unpack_from(control)
    end = _where_the_checksum_is(control)
    new = _IDENTIFIER.pack(old ^ secrets.randbits(32))
    control[: _IDENTIFIER.size] = new
    _CHECKSUM.pack_into(control, end, crc32c(bytes(control[:end])))
    _write_at(data / "global" / "pg_control", 0, bytes(control))
    for segment in (data / "pg_wal").glob("0" * 7 + "1" + "?" * 16):
        _write_at(segment, _IDENTIFIER_IN_LOG, new)


def _where_the_checksum_is(control: bytearray) -> int:
    """Behind all fields: where that is depends on the version."""
    return next(
        end
        for end in range(200, 512, _CHECKSUM.size)
        if _CHECKSUM.unpack_from(control, end)[0] == crc32c(bytes(control[:end]))
    )


def _write_at(file: Path, offset: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)
