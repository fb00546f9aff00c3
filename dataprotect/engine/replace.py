"""Replacing a database of a live server, side by side: load beside it, look, exchange names, take back.

    origin → preflight → load → validate → swap_in → health → (swap_back) → discard

Only `swap_in` and `swap_back` touch the database in use, each in one transaction: a process that dies at
whatever moment leaves it untouched or swapped, never in between, never closed. `standing` tells which.

Every function raises ForeseenError for what a person can act on, and what the reporter raises at a safe
point.
"""

from __future__ import annotations

from collections.abc import Mapping

from dataprotect.core.progress import Reporter, Silent
from dataprotect.engine.databases.postgresql.replacement import (
    discarding,
    swapping,
    validation,
)
from dataprotect.engine.databases.postgresql.replacement import health as health_room
from dataprotect.engine.databases.postgresql.replacement import names as naming
from dataprotect.engine.databases.postgresql.replacement import preflight as preflight_room
from dataprotect.engine.databases.postgresql.replacement import standing as standing_room
from dataprotect.engine.databases.postgresql.replacement.loading import Loading
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import (
    Health,
    Leftover,
    Loaded,
    Names,
    Origin,
    ReplaceRequest,
    Standing,
    SwapOptions,
    Swapped,
)
from dataprotect.engine.stop_watch import watchful

DEFAULT_SWAP = SwapOptions()


def names(database: str, restore_id: str) -> Names:
    """`orders__restore_17`, `orders__before_17`, `orders__undone_17`; a long name is cut and told apart by a
    digest. Raises InvalidInput for a restore id with anything but letters, digits and -.
    """
    return naming.of(database, restore_id)


def origin(request: ReplaceRequest) -> Origin:
    """Note who is who before anything is done. Store it: everything that follows is decided by it."""
    return standing_room.origin(request.target, request.restore_id)


def preflight(request: ReplaceRequest) -> tuple[Check, ...]:
    """Everything that would fail later, in words. Changes nothing.

    `passed` None: not known or not applicable, and `found` says why. May be asked before there is a clone
    (`dsn` ""). Raises only when the work must end; a server that does not answer is a failed check.
    """
    return tuple(preflight_room.preflight(request))


def load(request: ReplaceRequest, reporter: Reporter | None = None) -> Loaded:
    """Dump the clone's database and load it beside the one in use. Starts over what a dead run left.

    Phases: dump, restore, analyze, count. On any failure the staged database and the dump are gone again.
    Codes: `replace.role_missing`, `replace.extension_missing`, `replace.tablespace_missing`,
    `replace.rights`, `replace.no_room` (server), `replace.spool_full` (worker), `replace.locks`,
    `replace.load_failed`.
    """
    return Loading(request, watchful(reporter)).run()


def validate(request: ReplaceRequest, reporter: Reporter | None = None) -> tuple[Check, ...]:
    """Compare the staged database with the clone's and with the one in use, then try it.

    Row counts of every table, sampled digests, large objects, definitions, sequences, owner, privileges and
    settings, a write that is taken back, SQL smoke tests (HTTP ones ask what is in use: see `health`).
    """
    return tuple(validation.validate(request, watchful(reporter)))


def swap_in(
    request: ReplaceRequest,
    origin: Origin,
    options: SwapOptions = DEFAULT_SWAP,
    reporter: Reporter | None = None,
) -> Swapped:
    """Give clients their grace, end their sessions and exchange the names in one transaction.

    Owner, privileges, settings, connection limit, comment and labels of the one in use are kept. It stays
    as `names(…).kept` and lets nobody in. Raises `replace.busy` (nothing was changed; try again),
    `replace.not_staged` when `standing` is anything but staged, `replace.prepared` for prepared transactions.
    """
    return swapping.swap_in(request, origin, options, watchful(reporter))


def swap_back(
    request: ReplaceRequest,
    origin: Origin,
    options: SwapOptions = DEFAULT_SWAP,
    reporter: Reporter | None = None,
) -> Swapped:
    """Take the swap back: the old database is in use again, the new one stays as `names(…).undone`, closed.

    What was written since the swap is in that one. Raises `replace.not_swapped`, `replace.busy`.
    """
    return swapping.swap_back(request, origin, options, reporter or Silent())


def standing(request: ReplaceRequest, origin: Origin) -> Standing:
    """Where the replacement stands, by the server alone; never half swapped."""
    return standing_room.decide(origin, standing_room.read(request.target, origin))


def health(request: ReplaceRequest, expected: Mapping[str, int] | None = None) -> Health:
    """Is the database in use answering, do all its smoke tests pass, how many rows differ from `expected`.

    `expected`: `Loaded.row_counts`. Tables over 1 GiB are not counted here, and named.
    """
    return health_room.look(request, expected or {})


def discard(request: ReplaceRequest, origin: Origin, leftover: Leftover) -> int:
    """Drop a database that is not in use any more, and what lies in the spool; returns the bytes freed.

    0 when there is none. Raises `replace.in_use` when it is not what the name says, and drops nothing.
    """
    return discarding.discard(request, origin, leftover)
