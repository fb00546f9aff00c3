"""Whether what runs is the restored system: who it is, where its recovery ended, and all of its databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn, recovery_reached, server
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.full_system import spaces, standing, starting
from dataprotect.engine.databases.postgresql.full_system.journal import Backup
from dataprotect.engine.databases.postgresql.recovery_reached import LARGEST_HEADER, Reached
from dataprotect.engine.databases.postgresql.server import Server
from dataprotect.engine.full_system_model import FullSystemRequest, Origin
from dataprotect.engine.model import Address, Check
from dataprotect.engine.timeline_model import Choice

_REPLAYED = "SELECT pg_last_xact_replay_timestamp()"
_DATABASES = "SELECT datname::text FROM pg_database WHERE datallowconn ORDER BY 1"
_SHOWN = 20


def check(request: FullSystemRequest, origin: Origin) -> Iterator[Check]:
    journal = standing.require(request, origin, "exchanged", code="full_system.not_exchanged")
    address = request.target.address
    with starting.entered(address, "looking at the restored server") as connection:
        facts = server.facts(connection)
        replayed = connection.execute(_REPLAYED).fetchone()
        yield _same_directory(address, origin.data_directory)
        yield Check("recovery has ended", not facts.in_recovery, "yes", "no" if facts.in_recovery else "yes")
        if journal.backup is not None:
            yield _identifier(journal.backup.system_identifier, facts)
            yield _timeline(journal.backup, facts)
            at = replayed[0] if replayed else None
            yield reached(origin.data_directory, facts.timeline, at, journal.backup, request.choice)
            yield from databases(address, connection, journal.backup.databases, request.choice is None)
    yield tablespaces(origin.data_directory)


def old_server(request: FullSystemRequest, origin: Origin) -> Iterator[Check]:
    """What runs after the restore was taken back."""
    if origin.system_identifier:
        with starting.entered(request.target.address, "looking at the old server") as connection:
            yield _identifier(origin.system_identifier, server.facts(connection))
    yield from serving(request, origin)


def serving(request: FullSystemRequest, origin: Origin) -> Iterator[Check]:
    """Whatever directory is in place."""
    address = request.target.address
    yield _same_directory(address, origin.data_directory)
    with starting.entered(address, "looking at the databases") as connection:
        yield from databases(address, connection, (), False)
    yield tablespaces(origin.data_directory)


def reached(data: Path, timeline: int, at: object, backup: Backup, choice: Choice | None) -> Check:
    """The server's own words for where its recovery ended, against what was asked for."""
    name = "recovery ended at the target"
    wanted = str(choice.target) if choice else f"the backup's own stop, LSN {backup.stop_position}"
    try:
        found = recovery_reached.of_history(data, f"{timeline:08X}")
        found = replace(found, at=at)  # type: ignore[arg-type]
        if choice is not None:
            recovery_reached.require(found, choice)
    except (OSError, IndexError, ValueError) as error:
        return Check(name, False, wanted, f"timeline {timeline} has no history that can be read ({error})")
    except ForeseenError as error:
        return Check(name, False, wanted, error.message)
    enough = choice is not None or _beyond(found, backup)
    return Check(name, enough, wanted, _told(found))


def databases(
    address: Address, connection: Connection, wanted: tuple[str, ...], all_of_them: bool
) -> Iterator[Check]:
    """Every one that lets anybody in is entered. With a later target databases may have come and gone."""
    there = {str(name) for (name,) in connection.execute(_DATABASES)}
    missing = sorted(set(wanted) - there - {"template0"})
    if wanted:
        found = f"without {', '.join(missing[:_SHOWN])}" if missing else "all of them"
        passed = True if not missing else (False if all_of_them else None)
        yield Check("databases of the backup", passed, f"{len(wanted)} databases", found)
    closed = [f"{name}: {why}" for name in sorted(there) if (why := _not_entered(address, name))]
    told = "; ".join(closed[:_SHOWN]) or "every one"
    yield Check("databases can be entered", not closed, f"{len(there)} databases", told)


def tablespaces(data: Path) -> Check:
    found = spaces.on_disk(data)
    bad = [f"{oid} -> {at}" for oid, at in found.items() if not _whole(data, at)]
    return Check("tablespaces are in place", not bad, f"{len(found)}", "; ".join(bad) or "all of them")


def _whole(data: Path, location: Path) -> bool:
    return bool(spaces.clusters(location, int((data / "PG_VERSION").read_text())))


def _same_directory(address: Address, data: Path) -> Check:
    name = "the server of this directory answers"
    try:
        starting.answers(address, data)
    except ForeseenError as error:
        return Check(name, False, str(data), error.message)
    return Check(name, True, str(data), f"{address.host}:{address.port}")


def _identifier(wanted: str, facts: Server) -> Check:
    found = facts.system_identifier
    return Check("system identifier", found == wanted, wanted, found)


def _timeline(backup: Backup, facts: Server) -> Check:
    wanted = f"a new one, after {backup.timeline}"
    return Check("timeline", facts.timeline > backup.timeline, wanted, str(facts.timeline))


def _beyond(found: Reached, backup: Backup) -> bool:
    return lsn.parse(found.position) >= lsn.parse(backup.stop_position) - LARGEST_HEADER


def _told(found: Reached) -> str:
    last = f", last transaction {clock.iso(found.at)}" if found.at else ""
    return f"LSN {found.position} ({found.reason}){last}"


def _not_entered(address: Address, database: str) -> str:
    try:
        with starting.entered(address, "entering a database", database) as connection:
            connection.execute("SELECT count(*) FROM pg_class")
    except ForeseenError as error:
        return error.message
    return ""
