"""Where a replacement stands: a pure decision over what the server says, and a thin reader.

Nothing but names, numbers and the staged database's note is asked: all of them change in one transaction or
not at all, so that whatever process died, one of the places fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement import names, staged
from dataprotect.engine.databases.postgresql.replacement.access import oid_of, one, rows, standing_in
from dataprotect.engine.replace_model import Names, Origin, ReplaceTarget, Standing

_FOUND = """
SELECT datname::text, oid::bigint, datallowconn, shobj_description(oid, 'pg_database')
  FROM pg_database WHERE datname = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One database as the server lists it."""

    oid: int
    open: bool
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is by the four names, and the server's identifier."""

    system_identifier: str
    in_use: Found | None = None
    staged: Found | None = None
    kept: Found | None = None
    undone: Found | None = None


def origin(target: ReplaceTarget, restore_id: str) -> Origin:
    """Raises ForeseenError when the server does not answer."""
    names.of(target.database, restore_id)
    with standing_in(target, "noting what is in use", seconds=30) as connection:
        return Origin(
            target.database, restore_id, oid_of(connection, target.database), _identifier(connection)
        )


def read(target: ReplaceTarget, origin: Origin) -> Seen:
    """Raises ForeseenError when the server does not answer."""
    with standing_in(target, "looking where the replacement stands", seconds=30) as connection:
        return see(connection, origin)


def see(connection: Connection, origin: Origin) -> Seen:
    """In one statement, so that a swap in progress is seen done or not begun."""
    wanted = names.of(origin.database, origin.restore_id)
    listed = [origin.database, wanted.staged, wanted.kept, wanted.undone]
    found = {name: Found(*rest) for name, *rest in rows(connection, _FOUND, listed)}
    return Seen(_identifier(connection), *(found.get(name) for name in listed))


def _identifier(connection: Connection) -> str:
    return str(one(connection, "SELECT system_identifier::text FROM pg_control_system()")[0])


def decide(origin: Origin, seen: Seen) -> Standing:
    """Pure. With `origin.staged_oid` what is in use is known for certain to be the new one."""
    called = names.of(origin.database, origin.restore_id)
    if seen.system_identifier != origin.system_identifier:
        return Standing("unclear", "This is another server than the one the replacement began on.")
    if seen.in_use is not None and not seen.in_use.open:
        return Standing("unclear", f"{origin.database} lets nobody in, and no replacement closes it.")
    if _is_old(origin, seen):
        return _old_in_use(origin, seen, called)
    if seen.in_use is None:
        return Standing("unclear", f"There is no database {origin.database}, and there was one at the start.")
    return _new_in_use(origin, seen, called)


def _is_old(origin: Origin, seen: Seen) -> bool:
    """Whether what was in use at the start is in use now; nothing, when nothing was."""
    return (seen.in_use.oid if seen.in_use else None) == origin.oid


def _old_in_use(origin: Origin, seen: Seen, called: Names) -> Standing:
    if seen.kept is not None:
        return _unclear(origin, seen, f"{called.kept} is there although what it would hold is in use.")
    if seen.undone is not None:
        if seen.staged is not None:
            return _unclear(origin, seen, f"Both {called.staged} and {called.undone} are there.")
        return Standing("rolled back", f"The old database is in use; {called.undone} is kept.", origin.oid)
    if seen.staged is None:
        return Standing("untouched", "The old database is in use, and nothing is beside it.", origin.oid)
    complete = staged.is_complete(seen.staged.comment, origin.restore_id)
    if complete and origin.staged_oid not in (None, seen.staged.oid):
        return _unclear(origin, seen, f"{called.staged} is not the database that was loaded.")
    if complete:
        return Standing("staged", f"{called.staged} is complete and not in use.", origin.oid)
    return Standing("loading", f"{called.staged} is there and not complete.", origin.oid)


def _new_in_use(origin: Origin, seen: Seen, called: Names) -> Standing:
    assert seen.in_use is not None  # noqa: S101
    oid = seen.in_use.oid
    if seen.staged is not None or seen.undone is not None:
        return _unclear(origin, seen, f"{origin.database} is another database, and {called.staged} remains.")
    if origin.staged_oid not in (None, oid):
        return _unclear(origin, seen, f"{origin.database} is neither the old database nor the loaded one.")
    if seen.kept is None:
        if origin.staged_oid is None:
            return _unclear(origin, seen, f"{origin.database} is another database; {called.kept} is missing.")
        there_was = "the old one was dropped" if origin.oid is not None else "there was none before"
        back = origin.oid is None
        return Standing("swapped", f"The new database is in use; {there_was}.", oid, can_swap_back=back)
    if seen.kept.oid != origin.oid:
        return _unclear(origin, seen, f"{called.kept} is not the database that was in use.")
    return Standing("swapped", f"The new database is in use; {called.kept} is kept.", oid, can_swap_back=True)


def _unclear(origin: Origin, seen: Seen, because: str) -> Standing:
    return Standing("unclear", because, seen.in_use.oid if seen.in_use else None)
