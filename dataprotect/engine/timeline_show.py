"""Windows and gaps as JSON and as lines for people: the same for every command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataprotect.core import clock
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_model import Choice, Gap, RecoveryWindow


def shown_window(window: RecoveryWindow) -> dict[str, Any]:
    start, end = window.positions
    return {
        "start": clock.iso(window.start_at),
        "end": clock.iso(window.end_at),
        "start_position": start,
        "end_position": end,
        "timeline": window.timeline,
        "backups": list(window.backup_ids),
        "point": window.point,
        "abandoned": window.abandoned,
    }


def shown_gap(gap: Gap) -> dict[str, Any]:
    return {
        "start": clock.iso(gap.start_at) if gap.start_at else None,
        "end": clock.iso(gap.end_at) if gap.end_at else None,
        "start_position": lsn.text(gap.start_position),
        "end_position": lsn.text(gap.end_position),
        "timeline": gap.timeline,
        "code": gap.code,
        "reason": gap.reason,
        "acknowledged_by": gap.acknowledged or None,
    }


def shown_choice(choice: Choice) -> dict[str, Any]:
    low, high = choice.bracket.low, choice.bracket.high
    return {
        "target": str(choice.target),
        "backup_id": choice.base.backup_id,
        "timeline": choice.line.timeline,
        "between": [clock.iso(beat.at) if beat else None for beat in (low, high)],
        "replay_bytes": choice.replay_bytes,
        "loses_seconds": None if choice.lost_seconds is None else round(choice.lost_seconds, 3),
    }


def told_window(shown: Mapping[str, Any]) -> str:
    left = " (left behind: the server went on along another timeline)" if shown["abandoned"] else ""
    if shown["point"]:
        return f"point   {shown['start']}  the backup {', '.join(shown['backups'])} alone{left}"
    return (
        f"window  {shown['start']} to {shown['end']}  LSN {shown['start_position']} to "
        f"{shown['end_position']}, timeline {shown['timeline']}, {len(shown['backups'])} backups{left}"
    )


def told_gap(shown: Mapping[str, Any]) -> str:
    where = f"{shown['start'] or 'an unknown instant'} to {shown['end'] or 'an unknown instant'}"
    noted = f" (acknowledged by {shown['acknowledged_by']})" if shown["acknowledged_by"] else ""
    return f"gap     {where}  {shown['reason']}{noted}"
