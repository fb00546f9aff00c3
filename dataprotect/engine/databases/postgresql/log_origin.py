"""The first contact of a log stream: is it the right server, is its slot there, where does the log go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn, server, slots
from dataprotect.engine.databases.postgresql.connection import connect, foreseen
from dataprotect.engine.databases.postgresql.log_resume import Resume, resume, timeline_of
from dataprotect.engine.databases.postgresql.replication import Replication
from dataprotect.engine.databases.postgresql.slots import Slot
from dataprotect.engine.logs import FoundGap, LogRequest, OpenWriter, another_cluster
from dataprotect.engine.timeline_switches import really_left
from dataprotect.storage.logs import LogWriter, parents

Way = Literal["on", "removed", "back"]
"""Go on where the stored log ends; past what the server has removed; or anew, because it went back."""

_LOST = (
    "The server gave up the replication slot, because more log was waiting than max_slot_wal_keep_size allows"
)
_REMOVED = "The server had removed the log before it was collected"


@dataclass(frozen=True, slots=True)
class Origin:
    """Everything known before the first byte; `gap` is what is lost already."""

    system_identifier: str
    segment_size: int
    slot: str
    writer: LogWriter
    resume: Resume
    gap: FoundGap | None
    slot_lost: bool


@dataclass(frozen=True, slots=True)
class _Server:
    system: str
    timeline: int
    position: int
    history: list[tuple[int, int]]
    segment_size: int
    in_recovery: bool


def find(
    replication: Replication, request: LogRequest, open_writer: OpenWriter, way: Way, slot_lost: bool
) -> Origin:
    """Look, and make the slot when it is missing. `slot_lost`: it was found given up a moment ago.

    Raises `logs.another_cluster`, `repository.foreign_cluster`, `logs.standby_behind`, connection errors.
    """
    found, slot, fate = _server(replication, request)
    writer = open_writer(found.system, found.segment_size, False)
    stored, reserved = writer.stored_end, slot.restart or 0
    place = _place(writer, stored, found, reserved, way)
    if place.went_back:
        if found.in_recovery:
            raise _standby_behind(place.base_reason)
        writer = open_writer(found.system, found.segment_size, True)
    lost = slot_lost or fate == "lost"
    gap = _gap(stored, place, found, lost)
    return Origin(found.system, found.segment_size, slot.name, writer, place, gap, lost)


def timeline_history(replication: Replication, timeline: int) -> bytes:
    """The content of the history file; empty for the first timeline."""
    if timeline == 1:
        return b""
    doing = "reading the timeline's history"
    return str(replication.rows(f"TIMELINE_HISTORY {timeline}", doing)[0][1]).encode()


def _server(replication: Replication, request: LogRequest) -> tuple[_Server, Slot, str]:
    system, line, at, *_ = replication.rows("IDENTIFY_SYSTEM", "asking who the server is")[0]
    if request.system_identifier not in ("", system):
        raise another_cluster(request.source, request.system_identifier, str(system))
    timeline = int(line or 0)
    address = request.source.address
    with (
        connect(address, statement_timeout=30, application="dataprotect slots") as connection,
        foreseen(address, "preparing the log stream"),
    ):
        facts = server.facts(connection)
        slot, fate = slots.ensure(connection, slots.name_for(request.source.instance_id))
    history = positions(timeline_history(replication, timeline))
    return (
        _Server(
            str(system), timeline, lsn.parse(str(at)), history, facts.wal_segment_size, facts.in_recovery
        ),
        slot,
        fate,
    )


def positions(history: bytes) -> list[tuple[int, int]]:
    """A history file as (timeline, position where it was left)."""
    return [(timeline, lsn.parse(left)) for timeline, left in parents(history)]


def _place(
    writer: LogWriter, stored: tuple[int, int] | None, found: _Server, reserved: int, way: Way
) -> Resume:
    """`removed` and `back` go on at what the slot reserves."""
    if way == "on":
        past = positions(writer.stored_history(stored[0])) if stored else []
        return resume(stored, past, found.timeline, found.position, found.history, reserved)
    line = timeline_of(reserved, found.timeline, found.history)
    if way == "removed":
        return Resume(line, reserved, False, f"{_REMOVED}.")
    return Resume(line, reserved, True, "The server's log is not what was stored of it: it was put back.")


def _gap(stored: tuple[int, int] | None, place: Resume, found: _Server, lost: bool) -> FoundGap | None:
    """What lies between the stored end and the place where the stream goes on; None when nothing does.

    Positions of a server that went back cannot be compared with the stored ones: its break ends nowhere
    before it begins.
    """
    start = place.position - place.position % found.segment_size
    if stored is None or not (place.went_back or place.base_reason.startswith(_REMOVED)):
        return None
    timeline, end = stored
    if place.went_back:
        return FoundGap(timeline, end, max(end, start), "logs.server_went_back", place.base_reason)
    left = dict(really_left(found.history)).get(timeline, end)
    if left < end:
        # What is stored beyond the switch is not of this line: it is missing from the switch on.
        timeline, end = place.timeline, left
    if start <= end:
        return None
    code, reason = ("logs.slot_lost", _LOST) if lost else ("logs.wal_removed", _REMOVED)
    return FoundGap(timeline, end, start, code, f"{reason}.")


def _standby_behind(reason: str) -> ForeseenError:
    return ForeseenError(
        "logs.standby_behind",
        f"The standby has not caught up with what is stored already. {reason}",
        "Nothing, when it is catching up; stream from the primary otherwise.",
        retry=True,
    )
