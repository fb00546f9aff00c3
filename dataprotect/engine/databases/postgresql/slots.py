"""Permanent physical replication slots: they keep the log on the server until it is stored."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.connection import Connection, connect, foreseen
from dataprotect.engine.model import Address

PREFIX = "dataprotect_"
_LONGEST = 63
_APPLICATION = "dataprotect slots"
_DROPPING = "dropping a replication slot"
_LOOK = """
SELECT s.slot_name::text, s.active, coalesce(s.wal_status, 'lost'), s.restart_lsn::text,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
                            THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                            ELSE pg_current_wal_lsn() END, s.restart_lsn)::bigint
  FROM pg_replication_slots s
 WHERE s.slot_type = 'physical' AND NOT s.temporary AND s.slot_name LIKE 'dataprotect\\_%'
 ORDER BY s.slot_name
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """`status` is the server's wal_status: reserved, extended, unreserved or lost. `retained` are bytes of
    log kept for it; None when it reserves nothing.
    """

    name: str
    active: bool
    status: str
    restart: int | None
    retained: int | None


def name_for(identifier: str) -> str:
    """The slot of the instance with this identifier: small letters, digits and _, at most 63."""
    plain = PREFIX + re.sub(r"[^a-z0-9_]", "_", identifier.lower())
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 9]}_{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"


def ours(connection: Connection) -> list[Slot]:
    """Every permanent physical slot on the server that an installation of this program made."""
    return [
        Slot(name, active, status, lsn.parse(restart) if restart else None, retained)
        for name, active, status, restart, retained in connection.execute(_LOOK.encode())
    ]


def look(connection: Connection, name: str) -> Slot | None:
    return next((slot for slot in ours(connection) if slot.name == name), None)


def without_limit(connection: Connection) -> list[str]:
    """Our slots' names, when the server would keep log for them until its disk is full."""
    row = connection.execute("SELECT current_setting('max_slot_wal_keep_size') = '-1'").fetchone()
    return [slot.name for slot in ours(connection)] if row and row[0] else []


def ensure(connection: Connection, name: str) -> tuple[Slot, str]:
    """The slot, made when it is missing and made again when the server had given it up.

    The second answer is `kept`, `made` or `lost`.
    """
    found = look(connection, name)
    if found is not None and found.status != "lost" and found.restart is not None:
        return found, "kept"
    if found is not None:
        connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
    connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", (name,))
    made = look(connection, name)
    if made is None:
        raise ForeseenError(
            "logs.slot_vanished",
            f"The replication slot {name} was dropped right after it was made.",
            "Find out who drops replication slots on that server.",
            retry=True,
        )
    return made, "lost" if found is not None else "made"


def drop(address: Address, name: str) -> bool:
    """Drop our slot; False when there is none. Raises `logs.slot_active` while somebody streams from it."""
    with (
        connect(address, statement_timeout=30, application=_APPLICATION) as connection,
        foreseen(address, _DROPPING),
    ):
        return _drop(connection, name)


def drop_left(left: Address, current: Address, name: str) -> bool:
    """Drop our slot on a server that was streamed from before; False when there is none, or when it is the
    server streamed from now under another name: the slot there is in use, even if nobody is connected.

    Raises `logs.slot_active`, and what connecting to either raises.
    """
    with (
        connect(current, statement_timeout=30, application=_APPLICATION) as here,
        connect(left, statement_timeout=30, application=_APPLICATION) as there,
        foreseen(left, _DROPPING),
    ):
        # Asked last: a connection that still answers belongs to a server that was not restarted meanwhile.
        began = _began(there)
        return began != _began(here) and _drop(there, name)


def measured(address: Address, name: str) -> Slot | None:
    """`look` over a connection of its own."""
    return next((slot for slot in listed(address) if slot.name == name), None)


def _began(connection: Connection) -> datetime:
    """When the server was started, to the microsecond: no two servers have that in common."""
    row = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    assert row is not None  # noqa: S101  a function without conditions has one row
    began: datetime = row[0]
    return began


def _drop(connection: Connection, name: str) -> bool:
    if not name.startswith(PREFIX):
        raise ValueError(f"not a slot of ours: {name}")
    slot = look(connection, name)
    if slot is None:
        return False
    if slot.active:
        raise ForeseenError(
            "logs.slot_active",
            f"The replication slot {name} is in use.",
            "Stop the collector that streams from it first; it is dropped when streaming is off.",
            retry=True,
        )
    connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
    return True


def listed(address: Address) -> list[Slot]:
    """`ours` over a connection of its own."""
    with (
        connect(address, statement_timeout=30, application=_APPLICATION) as connection,
        foreseen(address, "listing the replication slots"),
    ):
        return ours(connection)
