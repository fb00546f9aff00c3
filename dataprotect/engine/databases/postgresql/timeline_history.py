"""A server's timelines: which it came through, and where it left each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.replication import Replication
from dataprotect.engine.model import Address
from dataprotect.engine.timeline_switches import really_left

History = tuple[tuple[int, int], ...]
"""(timeline, position it was left at), the oldest first; the present timeline is not among them."""

FACT = "timeline_history"


def parse(content: str) -> History:
    """The content of a history file. Raises ForeseenError for a position that is none."""
    lines = (line.split("#", 1)[0].split() for line in content.splitlines())
    return tuple((int(words[0]), lsn.parse(words[1])) for words in lines if len(words) >= 2)


def ask(address: Address, timeline: int) -> History:
    """How the server came to `timeline`, in its own words."""
    if timeline == 1:
        return ()
    with Replication(address, "dataprotect timeline") as replication:
        rows = replication.rows(f"TIMELINE_HISTORY {timeline}", "reading the timeline's history")
    return parse(str(rows[0][1]))


def as_fact(history: History) -> list[list[object]]:
    """As it stands in a seal: positions as text."""
    return [[timeline, lsn.text(left)] for timeline, left in history]


def of_facts(facts: Mapping[str, Any]) -> History | None:
    """The history in a backup's facts; None for a backup that did not write it down and has one."""
    if FACT in facts:
        return tuple((int(timeline), lsn.parse(str(left))) for timeline, left in facts[FACT])
    return () if int(facts["timeline"]) == 1 else None


def comes_from(history: History, timeline: int, ancestor: int, base: History, end: int) -> bool:
    """Whether `timeline`, with this history, goes on from the position `end` on `ancestor` with its history.

    Numbers prove nothing: two servers restored from one backup both call their new timeline the next one.
    """
    if ancestor == timeline:
        return history == base
    shared = tuple(step for step in history if step[0] < ancestor)
    left = dict(really_left(history)).get(ancestor)
    return ancestor < timeline and left is not None and end <= left and shared == base
