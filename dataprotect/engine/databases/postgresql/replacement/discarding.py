"""Drop a database that is not in use any more, after looking twice that it is not."""

from __future__ import annotations

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.replacement import names, programs, staged, standing
from dataprotect.engine.databases.postgresql.replacement.access import one, standing_in
from dataprotect.engine.databases.postgresql.replacement.standing import Found, Seen
from dataprotect.engine.replace_model import Leftover, Origin, ReplaceRequest


def discard(request: ReplaceRequest, origin: Origin, leftover: Leftover) -> int:
    """Bytes freed; 0 when there was none. Raises `replace.in_use`."""
    programs.sweep(programs.folder_of(request))
    called = names.of(origin.database, origin.restore_id)
    name = {"staged": called.staged, "kept": called.kept, "undone": called.undone}[leftover]
    with standing_in(request.target, f"dropping {name}") as connection:
        seen = standing.see(connection, origin)
        found: Found | None = getattr(seen, leftover)
        if found is None:
            return 0
        reason = _not_to_be_dropped(origin, seen, leftover)
        if leftover == "staged" and reason is None:
            reason = staged.foreign(connection, request.target, name, origin.restore_id)
        if reason is not None:
            raise ForeseenError(
                "replace.in_use",
                f"{name} is not dropped: {reason}.",
                "Ask where the replacement stands; a person decides what is to be dropped.",
            )
        size = int(one(connection, "SELECT pg_database_size(%s::oid)", found.oid)[0])
        staged.drop(connection, name)
        return size


def _not_to_be_dropped(origin: Origin, seen: Seen, leftover: Leftover) -> str | None:
    """Why it must stay; None when it may go."""
    if seen.system_identifier != origin.system_identifier:
        return "this is another server than the one the replacement began on"
    if leftover == "kept":
        if seen.in_use is None:
            return f"there is no {origin.database} in use, and this is what was"
        if seen.kept is None or seen.kept.oid != origin.oid:
            return "it is not the database that was in use before"
    elif (seen.in_use.oid if seen.in_use else None) != origin.oid:
        return f"{origin.database} is not the database that was in use at the start"
    return None
