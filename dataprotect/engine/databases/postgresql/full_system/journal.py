"""The file beside the data directory that says how far a restore is; replaced in one step, durably.

What it says of renames is what shall become, never what was done: that is looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.full_system.moves import Move
from dataprotect.engine.tree import sync_folder

Phase = Literal["restoring", "restored", "exchange", "back"]
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Backup:
    """What the restored system must be: the backup's identifier, timeline, and where it stopped."""

    system_identifier: str
    timeline: int
    stop_position: str
    databases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Journal:
    """`spaces`: location by name of each restored tablespace. `gone`: the kept one is being deleted."""

    restore_id: str
    phase: Phase
    spaces: Mapping[str, str] = field(default_factory=dict)
    inode: int | None = None
    backup: Backup | None = None
    bytes: int = 0
    files: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    back: tuple[Move, ...] = ()
    gone: bool = False


def write(path: Path, journal: Journal) -> None:
    """Raises `full_system.journal`."""
    made = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(
            made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        with os.fdopen(descriptor, "w") as file:
            json.dump(_plain(journal), file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(descriptor)
        made.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _failed(path, "written", error.strerror or str(error)) from None


def read(path: Path) -> Journal | None:
    """None when there is none. Raises `full_system.journal` for one that cannot be read."""
    try:
        return _of_plain(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, "read", error.strerror or str(error)) from None
    except (ValueError, KeyError, TypeError):
        raise _failed(path, "read", "it is not what was written") from None


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _plain(journal: Journal) -> dict[str, Any]:
    backup = journal.backup
    return {
        "version": _VERSION, "restore_id": journal.restore_id, "phase": journal.phase,
        "spaces": dict(journal.spaces), "inode": journal.inode,
        "bytes": journal.bytes, "files": journal.files, "seconds": journal.seconds,
        "notes": list(journal.notes), "gone": journal.gone,
        "moves": [_move(each) for each in journal.moves], "back": [_move(each) for each in journal.back],
        "backup": backup and {
            "system_identifier": backup.system_identifier, "timeline": backup.timeline,
            "stop_position": backup.stop_position, "databases": list(backup.databases),
        },
    }  # fmt: skip


def _of_plain(plain: Mapping[str, Any]) -> Journal:
    if plain["version"] != _VERSION:
        raise ValueError(plain["version"])
    backup = plain["backup"]
    return Journal(
        restore_id=plain["restore_id"], phase=plain["phase"], spaces=plain["spaces"], inode=plain["inode"],
        backup=backup and Backup(**{**backup, "databases": tuple(backup["databases"])}),
        bytes=plain["bytes"], files=plain["files"], seconds=plain["seconds"], notes=tuple(plain["notes"]),
        moves=tuple(map(_of_move, plain["moves"])), back=tuple(map(_of_move, plain["back"])),
        gone=plain["gone"],
    )  # fmt: skip


def _move(each: Move) -> list[Any]:
    return [str(each.source), str(each.destination), each.inode]


def _of_move(plain: list[Any]) -> Move:
    source, destination, inode = plain
    return Move(Path(source), Path(destination), int(inode))


def _failed(path: Path, what: str, why: str) -> ForeseenError:
    return ForeseenError(
        "full_system.journal",
        f"The journal {path} could not be {what}: {why}.",
        "Look at the folders beside it before anything else is done.",
    )
