"""The exchange: the old directory aside, its tablespaces, the restored ones, the restored directory last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine.databases.postgresql.full_system import journal as journals
from dataprotect.engine.databases.postgresql.full_system import (
    machine_files,
    moves,
    names,
    place,
    running,
    spaces,
    standing,
)
from dataprotect.engine.databases.postgresql.full_system.journal import Journal
from dataprotect.engine.databases.postgresql.full_system.moves import Move
from dataprotect.engine.databases.postgresql.recovery import END_OF_LOG, chosen
from dataprotect.engine.full_system_model import Exchanged, FullSystemRequest, Origin
from dataprotect.engine.stop_watch import watchful


def exchange(request: FullSystemRequest, origin: Origin, given: Reporter | None) -> Exchanged:
    started = time.monotonic()
    journal = standing.require(
        request, origin, "restored", "exchanging", "exchanged", code="full_system.not_restored"
    )
    where = standing.look(request, origin).place
    if where == "exchanged":
        return Exchanged(clock.now(), 0.0, 0)
    # A half exchange is finished whatever is asked for: neither directory is in place.
    reporter = watchful(given) if where == "restored" else Silent()
    reporter.checkpoint()
    reporter.phase("exchange")
    owner = place.account(origin.owner)
    with running.locked(old_directory(origin), owner):
        if moves.inode(origin.data_directory) == origin.inode:
            journal = _prepare(request, origin, journal)
        done = moves.carry_out(journal.moves, owner, "moved")
    return Exchanged(clock.now(), time.monotonic() - started, done)


def old_directory(origin: Origin) -> Path:
    """Where it lies now. Raises `full_system.rename`."""
    called = names.of(origin.data_directory, origin.restore_id)
    for path in (origin.data_directory, called.kept):
        if moves.inode(path) == origin.inode:
            return path
    raise ForeseenError(
        "full_system.rename", f"The old data directory is neither {origin.data_directory} nor {called.kept}.",
        "Look where it is before anything else is done.",
    )  # fmt: skip


def _prepare(request: FullSystemRequest, origin: Origin, journal: Journal) -> Journal:
    """Everything that may fail without a rename; then the renames are written down."""
    called = names.of(origin.data_directory, origin.restore_id)
    owner = place.account(origin.owner)
    target = END_OF_LOG if request.choice is None else chosen(request.choice)
    machine_files.adopt(origin.data_directory, called.restored, request.machine_files, owner)
    machine_files.prescribe(origin.data_directory, called.restored, target, request.restore_id, owner)
    steps.reached("full_system.adopted")
    planned = replace(journal, phase="exchange", moves=tuple(_planned(origin, journal)), back=())
    _refuse_occupied(planned.moves)
    journals.write(called.journal, planned)
    steps.reached("full_system.planned")
    return planned


def _planned(origin: Origin, journal: Journal) -> Iterator[Move]:
    """Nothing is at the data directory from the first rename to the last."""
    called = names.of(origin.data_directory, origin.restore_id)
    live = spaces.on_disk(origin.data_directory).values()
    wanted = [Path(at) for at in journal.spaces.values()]
    yield moves.move(origin.data_directory, called.kept)
    yield from spaces.outward(live, origin.major, origin.restore_id)
    yield from spaces.inward(wanted, origin.major, origin.restore_id)
    yield moves.move(called.restored, origin.data_directory)


def _refuse_occupied(planned: tuple[Move, ...]) -> None:
    leaving = {each.source for each in planned}
    for each in planned:
        if each.destination.exists() and each.destination not in leaving:
            raise ForeseenError(
                "full_system.occupied",
                f"{each.destination} is there already and is not the old server's; nothing was renamed.",
                "Find out whose it is, move it away, and do the exchange again.",
            )
