"""Restoring a whole server in place of its data: beside it, stop, exchange by renames, start, take back.

    origin → preflight → restore → stop → exchange → start → check → (swap_back) → discard

Nothing is done to the data directory in use until the restored one is complete. Between the renames of an
exchange nothing lies where the server looks for its data, so that it cannot be started on half of it. A
journal names every rename before the first one is done: a process that dies leaves the old directory in
place, or the new one, or the journal from which `exchange` (forward) or `swap_back` (backward) finishes.
`standing` tells which.

Every function raises ForeseenError for what a person can act on, and what the reporter raises at a safe
point.
"""

from __future__ import annotations

from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine.databases.postgresql.full_system import (
    checking,
    discarding,
    exchanging,
    preflight_all,
    restoring,
    starting,
    stopping,
    taking_back,
)
from dataprotect.engine.databases.postgresql.full_system import names as naming
from dataprotect.engine.databases.postgresql.full_system import standing as standing_room
from dataprotect.engine.full_system_model import (
    Exchanged,
    FullSystemRequest,
    Leftover,
    Names,
    Origin,
    Restored,
    Standing,
    Started,
    Stopped,
    TakenBack,
)
from dataprotect.engine.model import Check
from dataprotect.engine.stop_watch import watchful
from dataprotect.storage.repository import Repository


def names(request: FullSystemRequest) -> Names:
    """`main__restore_17`, `main__before_17` and `main__restore_17.json` beside the data directory `main`.

    Raises InvalidInput for a restore id with anything but letters, digits and -.
    """
    return naming.of(request.target.data_directory, request.restore_id)


def origin(request: FullSystemRequest) -> Origin:
    """Note who is who before anything is done. Store it: everything that follows is decided by it.

    Works with the server down and the data damaged, as long as it is a data directory. Raises
    `full_system.no_directory`.
    """
    return standing_room.origin(request)


def preflight(repository: Repository, request: FullSystemRequest, origin: Origin) -> tuple[Check, ...]:
    """Everything that would fail later, in words. Changes nothing.

    `passed` None: not known or not applicable, and `found` says why.
    """
    return tuple(preflight_all.preflight(repository, request, origin))


def restore(
    repository: Repository, request: FullSystemRequest, origin: Origin, reporter: Reporter | None = None
) -> Restored:
    """Write the backup, and the log to its target, beside the data directory and the tablespaces in use.

    Starts over what a dead run left; on any failure nothing is left. A complete one is answered as it is.
    Raises what `engine.restore.restore_files` raises, and `full_system.tablespace`.
    """
    return restoring.restore(repository, request, origin, watchful(reporter))


def stop(request: FullSystemRequest, origin: Origin, reporter: Reporter | None = None) -> Stopped:
    """Run the stop hook and see for ourselves that no process works in the data directory any more.

    Raises `full_system.not_stopped`: whatever the hook said, the server runs, and nothing was changed.
    """
    return stopping.stop(request, origin.data_directory, watchful(reporter))


def exchange(request: FullSystemRequest, origin: Origin, reporter: Reporter | None = None) -> Exchanged:
    """Put the restored directory and tablespaces in place, under the lock that keeps a server from starting.

    Finishes what a dead run began. Raises `full_system.running` (nothing was changed),
    `full_system.not_restored` when `standing` is anything but restored or exchanging, `full_system.rename`
    (do it again, or take it back).
    """
    return exchanging.exchange(request, origin, reporter)


def start(request: FullSystemRequest, origin: Origin, reporter: Reporter | None = None) -> Started:
    """Run the start hook, unless the server runs, and wait until the server of this very directory answers
    and has recovered; whichever directory is in place.

    Raises `full_system.not_started`, `full_system.not_ready`, `full_system.half_exchanged`.
    """
    return starting.start(request, origin, reporter or Silent())


def check(request: FullSystemRequest, origin: Origin) -> tuple[Check, ...]:
    """Is what runs the restored system: identifier, timeline, reached instant, every database entered."""
    return tuple(checking.check(request, origin))


def serving(request: FullSystemRequest, origin: Origin) -> tuple[Check, ...]:
    """For whoever watches it: the server of the directory in place answers, with every database and
    tablespace. Raises when it does not answer.
    """
    return tuple(checking.serving(request, origin))


def swap_back(request: FullSystemRequest, origin: Origin, reporter: Reporter | None = None) -> TakenBack:
    """Stop, rename back, start the old server and look at it. Finishes what a dead run began.

    Raises `full_system.not_exchanged`, and what `stop`, `exchange` and `start` raise.
    """
    return taking_back.swap_back(request, origin, reporter or Silent())


def standing(request: FullSystemRequest, origin: Origin) -> Standing:
    """Where the restore stands, by what lies in the folders."""
    return standing_room.look(request, origin)


def discard(request: FullSystemRequest, origin: Origin, leftover: Leftover) -> int:
    """Delete a directory that is not in use, with its tablespaces; returns the bytes freed.

    0 when there is none. Raises `full_system.in_use` when it is not what the name says, and deletes nothing.
    """
    return discarding.discard(request, origin, leftover)
