"""What commands say about one restore."""

from __future__ import annotations

from typing import Any

from restores.models import RestoreRequest
from restores.selectors.approvals import roles_missing
from restores.selectors.run_progress import progress_of


def plain(row: RestoreRequest) -> dict[str, Any]:
    progress = progress_of(row)
    return {
        "restore_id": row.restore_id,
        "state": row.state,
        "scope": row.scope,
        "plan_hash": row.plan_hash,
        "expected_seconds": row.plan.get("expected_seconds", 0.0),
        "loss_because": row.plan.get("loss_because", ""),
        "missing": list(roles_missing(row)),
        "ended_reason": row.ended_reason,
        "message": progress["message"],
        "rto_seconds": progress["rto_achieved"],
        "rpo_seconds": progress["rpo_achieved"],
        "seconds_left": progress["seconds_left"],
        "heartbeat_age_seconds": progress["heartbeat_age_seconds"],
        "steps": progress["steps"],
    }
