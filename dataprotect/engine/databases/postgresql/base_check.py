"""Whether the pages of an earlier backup of PostgreSQL can be compared with those of the server now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.base import Prepared
from dataprotect.engine.databases.postgresql import lsn, timeline_history
from dataprotect.engine.databases.postgresql.preflight import Details
from dataprotect.engine.databases.postgresql.server import Server
from dataprotect.engine.model import BackupRequest


def problem(request: BackupRequest, prepared: Prepared, base: Mapping[str, Any]) -> str | None:
    """Why not, in a sentence; None when they can. `base` are the facts of the earlier backup's seal."""
    details: Details = prepared.details
    try:
        return _other_server(details.facts, base) or _other_past(request, details, base)
    except (KeyError, TypeError, ValueError, ForeseenError):
        return f"{request.base_id} does not say where in the log it began and ended."


def _other_server(facts: Server, base: Mapping[str, Any]) -> str | None:
    if int(base["server_major"]) != facts.major:
        return f"The last backup is of PostgreSQL {base['server_major']}, and this is {facts.major}."
    if base["system_identifier"] != facts.system_identifier:
        return "The last backup is of another cluster: the system identifier is a new one."
    if int(base["block_size"]) != facts.block_size:
        return "The last backup is of a server with pages of another size."
    return None


def _other_past(request: BackupRequest, details: Details, base: Mapping[str, Any]) -> str | None:
    lsn.parse(str(base["start_position"]))
    end, timeline = lsn.parse(str(base["stop_position"])), int(base["timeline"])
    past = timeline_history.of_facts(base)
    if past is None:
        return f"{request.base_id} does not say how its server came to timeline {timeline}."
    if not timeline_history.comes_from(details.history, details.facts.timeline, timeline, past, end):
        return (
            f"The server's timeline {details.facts.timeline} does not go on from where {request.base_id} "
            f"ended (timeline {timeline}, position {base['stop_position']})."
        )
    if lsn.parse(details.position) < end:
        return (
            f"The server's log is at {details.position}, before the end of {request.base_id} "
            f"({base['stop_position']}): it was set back to an older state."
        )
    return None
