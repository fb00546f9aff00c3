"""Clusters as initdb makes them, made once per kind and copied: a copy costs a tenth of it.

A copy gets a system identifier of its own, and with it a write-ahead log of its own.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
"""Runs a program's words as the user of the servers."""

_CASTAGNOLI = 0x82F63B78
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
        return
    run("cp", "-a", kept, data)
    _name_anew(data / "global" / "pg_control")
    run(binaries / "pg_resetwal", "-D", data)


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


def _name_anew(control: Path) -> None:
    """The system identifier comes first in the file, its CRC-32C last: where, depends on the version."""
    content = bytearray(control.read_bytes())
    end = next(
        at for at in range(200, 512, 4) if struct.unpack_from("<I", content, at)[0] == _crc(content[:at])
    )
    struct.pack_into("<Q", content, 0, 7_000_000_000_000_000_000 + secrets.randbelow(500_000_000_000_000_000))
    struct.pack_into("<I", content, end, _crc(content[:end]))
    with control.open("r+b") as file:
        file.write(content)


def _crc(data: bytes | bytearray) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _table()[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [(each >> 1) ^ _CASTAGNOLI if each & 1 else each >> 1 for each in table]
    return table
