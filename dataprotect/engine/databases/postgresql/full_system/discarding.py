"""Deleting what is not in use any more."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.full_system import journal as journals
from dataprotect.engine.databases.postgresql.full_system import moves, names, running, standing
from dataprotect.engine.databases.postgresql.full_system.journal import Journal
from dataprotect.engine.full_system_model import FullSystemRequest, Leftover, Origin


def discard(request: FullSystemRequest, origin: Origin, leftover: Leftover) -> int:
    if journals.read(standing.path_of(origin)) is None and standing.look(request, origin).place != "unclear":
        return 0
    if leftover == "kept":
        journal = standing.require(request, origin, "exchanged", code="full_system.in_use")
        return _kept(origin, journal)
    journal = standing.require(
        request, origin, "untouched", "restoring", "restored", "taken back", code="full_system.in_use"
    )
    return _restored(origin, journal)


def _kept(origin: Origin, journal: Journal) -> int:
    called = names.of(origin.data_directory, origin.restore_id)
    journals.write(called.journal, replace(journal, gone=True))
    steps.reached("full_system.discarding")
    aside = (each.destination.parent for each in journal.moves)
    waiting = (names.space_restored(Path(at), origin.restore_id) for at in journal.spaces.values())
    return _delete(origin, [called.kept, *_in_spaces(origin, {*aside, *waiting})])


def _restored(origin: Origin, journal: Journal) -> int:
    called = names.of(origin.data_directory, origin.restore_id)
    journals.write(called.journal, replace(journal, phase="restoring"))
    steps.reached("full_system.discarding")
    waiting = (names.space_restored(Path(at), origin.restore_id) for at in journal.spaces.values())
    made_since = (each.destination.parent for each in journal.back)
    for each in _in_spaces(origin, {move.destination.parent for move in journal.moves}):
        with contextlib.suppress(OSError):  # empty since the old ones went back
            each.rmdir()
    return _delete(origin, [called.restored, *_in_spaces(origin, {*waiting, *made_since})])


def _in_spaces(origin: Origin, found: set[Path]) -> list[Path]:
    """Those that bear this restore's name: nothing else is ever deleted, whatever the journal says."""
    anywhere = Path("/")
    wanted = {of(anywhere, origin.restore_id).name for of in (names.space_kept, names.space_restored)}
    return sorted(folder for folder in found if folder.name in wanted)


def _delete(origin: Origin, folders: Iterable[Path]) -> int:
    """The journal goes last. Links are deleted, never followed. Raises `full_system.in_use`."""
    freed = 0
    for folder in folders:
        if moves.inode(folder) is None:
            continue
        if (found := running.server_in(folder)) is not None:
            raise ForeseenError(
                "full_system.in_use", f"A server runs in {folder} (process {found.pid}).",
                "Stop it if it is not meant to run, and discard again.",
            )  # fmt: skip
        freed += _size(folder)
        shutil.rmtree(folder)
    journals.remove(standing.path_of(origin))
    return freed


def _size(folder: Path) -> int:
    """Bytes on disk."""
    return sum(
        (Path(top) / name).lstat().st_blocks * 512 for top, _, files in os.walk(folder) for name in files
    )
