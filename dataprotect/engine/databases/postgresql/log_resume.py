"""Where a log stream goes on: from what is stored, and what the server says it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_switches import really_left

History = Sequence[tuple[int, int]]
"""(timeline, position where it was left), oldest first, as the server's newest history file has them."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with `timeline` from the segment of `position`. `went_back`: what is stored is not of this
    server's past, so a new lineage begins; `reason` says why, and why a new base is needed when it is.
    """

    timeline: int
    position: int
    went_back: bool = False
    base_reason: str = ""


def resume(
    stored: tuple[int, int] | None,
    stored_history: History,
    timeline: int,
    position: int,
    history: History,
    reserved: int,
) -> Resume:
    """`stored` is (timeline, end) of what the repository holds, `timeline` and `position` where the server
    is, `reserved` the oldest position its slot keeps.
    """
    if stored is None:
        return Resume(timeline_of(reserved, timeline, history), reserved)
    known, end = stored
    reason = _went_back(known, end, stored_history, timeline, position, history)
    if reason:
        return Resume(timeline_of(reserved, timeline, history), reserved, True, reason)
    if known == timeline:
        return Resume(known, end)
    left = dict(really_left(history))[known]
    if end < left:
        return Resume(known, end)
    following = timeline_of(left, timeline, history)
    if end == left:
        return Resume(following, left)
    return Resume(
        following, left, False,
        f"The server left timeline {known} at {lsn.text(left)}, before the stored end {lsn.text(end)}: "
        "backups taken after that point do not lead to its new timeline.",
    )  # fmt: skip


def timeline_of(position: int, timeline: int, history: History) -> int:
    """The timeline whose files hold `position` on a server that is on `timeline` now."""
    for each, left in really_left(history):
        if position < left:
            return each
    return timeline


def _went_back(
    known: int, end: int, stored_history: History, timeline: int, position: int, history: History
) -> str:
    """Why the stored log is not of this server's past; empty when it is."""
    if known > timeline:
        return f"The server is on timeline {timeline}, and timeline {known} is stored already."
    if known == timeline and position < end:
        return (
            f"The server is at {lsn.text(position)}, behind the stored end {lsn.text(end)} of its timeline: "
            "it was put back to an older state."
        )
    if known < timeline and known not in dict(history):
        return f"The server's timeline {timeline} does not descend from the stored timeline {known}."
    before = [each for each in history if each[0] < known]
    if list(stored_history) != before and known > 1 and stored_history:
        return f"The server's timeline {known} is not the one that is stored: it began elsewhere."
    return ""
