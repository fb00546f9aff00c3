"""Why an instant cannot be restored: the stretches between windows, each with its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_clock import LineClock
from dataprotect.engine.timeline_lines import Span
from dataprotect.engine.timeline_model import Facts, Gap, KnownGap, Line, RecoveryWindow

NO_LOG = "timeline.no_log"
NO_BASE = "timeline.no_base"
NO_HISTORY = "timeline.no_history"
OTHER_CLUSTER = "timeline.other_cluster"
WENT_BACK = "timeline.went_back"


def gaps_along(
    facts: Facts, line: Line, clock: LineClock, windows: Sequence[RecoveryWindow], covered: Sequence[Span]
) -> list[Gap]:
    """What lies between the windows of one line, and log before the first or behind the last of them."""
    ends = [end for _, end in covered] + [window.end_position for window in windows]
    if not ends:
        return []
    starts = [start for start, _ in covered] + [window.start_position for window in windows]
    inside = [(window.start_position, window.end_position) for window in windows]
    known = [gap for gap in facts.gaps if line.leg_of(gap.timeline) is not None]
    last = max([*ends, *(gap.end for gap in known)])
    found = []
    for start, end in _rest((min(starts), last), inside):
        holes = _rest((start, end), covered)
        found += [_hole(line, clock, hole, known) for hole in holes]
        baseless = _rest((start, end), holes)
        found += [_baseless(line, clock, span) for span in baseless if not _lead_in(span, facts, windows)]
    return found


def gaps_between(windows: Sequence[RecoveryWindow]) -> list[Gap]:
    """Between windows of different clusters or lineages, where positions cannot be compared."""
    gaps = []
    followed = [window for window in windows if not window.abandoned]
    for before, after in pairwise(followed):
        same = before.line.lineage == after.line.lineage and before.line.system_identifier == (
            after.line.system_identifier
        )
        if after.start_at <= before.end_at or (same and after.line.leg_of(before.timeline) is not None):
            continue
        code, reason = _break(before, after, same)
        gaps.append(
            Gap(
                before.end_at,
                after.start_at,
                before.end_position,
                after.start_position,
                after.timeline,
                code,
                reason,
            )
        )
    return gaps


def _break(before: RecoveryWindow, after: RecoveryWindow, same: bool) -> tuple[str, str]:
    if same:
        return NO_HISTORY, (
            f"The history of timeline {after.timeline} is not stored, so its log cannot be joined to that of "
            f"timeline {before.timeline}."
        )
    if before.line.system_identifier != after.line.system_identifier:
        return OTHER_CLUSTER, "The server was made anew: its system identifier is another one since then."
    return WENT_BACK, "The server was put back to an older state; its log begins anew since then."


def _rest(whole: Span, parts: Iterable[Span]) -> list[Span]:
    """What of `whole` lies in none of the parts."""
    start, end = whole
    result = []
    for a, b in sorted(parts):
        if a >= end:
            break
        if a > start:
            result.append((start, a))
        start = max(start, b)
    return [*result, (start, end)] if start < end else result


def _hole(line: Line, clock: LineClock, hole: Span, known: Sequence[KnownGap]) -> Gap:
    start, end = hole
    noticed = next((gap for gap in known if gap.start < end and gap.end > start), None)
    if noticed is not None:
        return _gap(
            line, clock, hole, noticed.code, noticed.reason, noticed.acknowledged, noticed.row
        )  # fmt: skip
    return _gap(line, clock, hole, NO_LOG, f"No log is stored from {lsn.text(start)} to {lsn.text(end)}.")


def _baseless(line: Line, clock: LineClock, span: Span) -> Gap:
    reason = f"The log from {lsn.text(span[0])} is stored, but no good backup leads to it."
    return _gap(line, clock, span, NO_BASE, reason)


def _lead_in(span: Span, facts: Facts, windows: Sequence[RecoveryWindow]) -> bool:
    """Log is stored by whole segments: the first one begins before the first backup, and nothing is lost."""
    start, end = span
    first = min((window.start_position for window in windows), default=None)
    return end == first and end - start < facts.segment_size


def _gap(
    line: Line, clock: LineClock, span: Span, code: str, reason: str, acknowledged: str = "",
    row: int | None = None,
) -> Gap:  # fmt: skip
    low, high = clock.of_position(span[0]).low, clock.of_position(span[1]).high
    return Gap(
        start_at=low.at if low else None,
        end_at=high.at if high else None,
        start_position=span[0],
        end_position=span[1],
        timeline=line.timeline_at(span[1]),
        code=code,
        reason=reason,
        acknowledged=acknowledged,
        row=row,
    )
