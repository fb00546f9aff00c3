"""Everything that would make a replacement fail later, looked at while nothing has been changed."""

from __future__ import annotations

from collections.abc import Iterator

from dataprotect.core import validation
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql import server
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.connection_errors import where
from dataprotect.engine.databases.postgresql.replacement import (
    names,
    preflight_fit,
    preflight_live,
    programs,
    properties,
    requirements,
    space,
    staged,
)
from dataprotect.engine.databases.postgresql.replacement.access import in_clone, oid_of, standing_in
from dataprotect.engine.databases.postgresql.replacement.requirements import Requirements
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest

_SECONDS = 60.0


def preflight(request: ReplaceRequest) -> Iterator[Check]:
    """In order; after a server that does not answer there is nothing more to ask."""
    yield from _names(request)
    needed, problem = _clone(request)
    if problem is not None:
        yield problem
    target = request.target
    try:
        with standing_in(target, "looking at the server", seconds=_SECONDS) as connection:
            yield Check("server answers", True, where(target.address), server.facts(connection).version)
            yield from _server(request, connection, needed)
    except ForeseenError as error:
        yield Check("server answers", False, where(target.address), f"{error.message} {error.action}")


def _names(request: ReplaceRequest) -> Iterator[Check]:
    """The name may be one that is never typed (its quoting is ours), but a template is never replaced."""
    database = request.target.database
    wanted = "a database of your own"
    if database in ("template0", "template1"):
        yield Check("database name", False, wanted, f"{database} is one of the server's templates")
        return
    try:
        validation.database_name(database)
        yield Check("database name", True, wanted, database)
    except InvalidInput:
        yield Check("database name", True, wanted, f"{database!r}, which needs quoting wherever it is typed")


def _clone(request: ReplaceRequest) -> tuple[Requirements | None, Check | None]:
    """What it needs, or why that is not known."""
    name, wanted = "clone answers", f"the database {request.target.database} in it"
    if not request.dsn:
        return None, Check(name, None, wanted, "there is no clone yet: what it needs is asked when there is")
    try:
        with in_clone(request.dsn, request.target.database) as source:
            return requirements.read(source), None
    except ForeseenError as error:
        return None, Check(name, False, wanted, error.message)


def _server(request: ReplaceRequest, connection: Connection, needed: Requirements | None) -> Iterator[Check]:
    database = request.target.database
    in_use = oid_of(connection, database) is not None
    facts = server.facts(connection)
    yield _not_standby(facts.in_recovery)
    yield from preflight_live.checks(request, connection, in_use)
    yield _free_names(request, connection)
    if needed is None:
        return
    with in_clone(request.dsn, database) as source:
        carried = properties.read(connection if in_use else source, database)
        yield from preflight_fit.checks(request, connection, source, needed, carried)
    yield _programs(request, needed.shape.major, facts.major)
    yield space.on_server(request.target, connection, carried.tablespace, needed.shape.size_bytes)
    yield space.in_spool(request.spool, needed.dump_bytes)


def _not_standby(in_recovery: bool) -> Check:
    found = "a standby: enter the primary's address" if in_recovery else "the primary"
    return Check("server may be written to", not in_recovery, "a primary", found)


def _free_names(request: ReplaceRequest, connection: Connection) -> Check:
    """A staged one of a dead run is not in the way: `load` starts over."""
    called = names.of(request.target.database, request.restore_id)
    taken = [
        f"{name} is there already" for name in (called.kept, called.undone)
        if oid_of(connection, name) is not None
    ]  # fmt: skip
    if reason := staged.foreign(connection, request.target, called.staged, request.restore_id):
        taken.append(f"{called.staged} is there already, and {reason}")
    wanted = f"{called.staged}, {called.kept}, {called.undone}"
    return Check("names of the copies", not taken, wanted, "; ".join(taken) or "free")


def _programs(request: ReplaceRequest, clone_major: int, target_major: int) -> Check:
    name, wanted = "programs on this worker", f"{', '.join(programs.NEEDED)} of PostgreSQL {target_major}"
    try:
        found = programs.find(request, clone_major, target_major)
    except ForeseenError as error:
        return Check(name, False, wanted, f"{error.message} {error.action}")
    return Check(name, True, wanted, f"{found.folder} (PostgreSQL {found.major})")
