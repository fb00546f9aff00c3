"""Taking an exchange back: the restored directory out, its tablespaces, the old ones, the old one last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from dataprotect.core import clock, steps
from dataprotect.core.progress import Reporter
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql.full_system import (
    checking,
    exchanging,
    machine_files,
    moves,
    names,
    place,
    running,
    standing,
    starting,
    stopping,
)
from dataprotect.engine.databases.postgresql.full_system import journal as journals
from dataprotect.engine.databases.postgresql.full_system.journal import Journal
from dataprotect.engine.databases.postgresql.full_system.moves import Move
from dataprotect.engine.full_system_model import FullSystemRequest, Origin, TakenBack


def swap_back(request: FullSystemRequest, origin: Origin, reporter: Reporter) -> TakenBack:
    began = time.monotonic()
    journal = standing.require(
        request, origin, "exchanged", "exchanging", "taking back", "taken back",
        code="full_system.not_exchanged",
    )  # fmt: skip
    if standing.look(request, origin).place != "taken back":
        _take_back(request, origin, journal, reporter)
    starting.start(request, origin, reporter)
    checks = tuple(checking.old_server(request, origin))
    return TakenBack(clock.now(), time.monotonic() - began, checks)


def _take_back(request: FullSystemRequest, origin: Origin, journal: Journal, reporter: Reporter) -> None:
    owner = place.account(origin.owner)
    in_place = moves.inode(origin.data_directory) is not None
    if in_place:
        stopping.stop(request, origin.data_directory, reporter)
    reporter.phase("swap back")
    # A server that starts meanwhile would take what is in place; once that is away, there is nothing to take.
    held = origin.data_directory if in_place else exchanging.old_directory(origin)
    with running.locked(held, owner):
        if journal.phase == "exchange":
            journal = replace(journal, phase="back", back=tuple(_planned(origin, journal)))
            journals.write(standing.path_of(origin), journal)
            steps.reached("full_system.back_planned")
        _remember_timelines(origin, owner)
        moves.carry_out(journal.back, owner, "moved_back")


def _remember_timelines(origin: Origin, owner: Account) -> None:
    """The next restore must not begin the timeline again that the restored server began. A disk that is too
    full for a history file is no reason to leave what is broken in place.
    """
    kept = exchanging.old_directory(origin)
    for restored in (origin.data_directory, names.of(origin.data_directory, origin.restore_id).restored):
        if restored != kept and restored.is_dir():
            with contextlib.suppress(OSError):
                machine_files.carry_histories(restored, kept, owner)


def _planned(origin: Origin, journal: Journal) -> Iterator[Move]:
    """The renames the other way round; a tablespace that the restored server has made where an old one was
    goes where the restored ones go.
    """
    back = moves.reversal(journal.moves)
    leaving = {each.source for each in back}
    for each in back:
        taken = each.destination
        if taken not in leaving and moves.inode(taken) is not None:
            yield moves.move(taken, names.space_restored(taken.parent, origin.restore_id) / taken.name)
        yield each
