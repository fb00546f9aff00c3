"""What commands say about one restore."""

from __future__ import annotations

from typing import Any

from restores.models import RestoreRequest, RestoreRun
from restores.selectors.approvals import roles_missing


def plain(row: RestoreRequest) -> dict[str, Any]:
    run = RestoreRun.objects.filter(request=row).first()
    return {
        "restore_id": row.restore_id,
        "state": row.state,
        "scope": row.scope,
        "plan_hash": row.plan_hash,
        "expected_seconds": row.plan.get("expected_seconds", 0.0),
        "loss_because": row.plan.get("loss_because", ""),
        "missing": list(roles_missing(row)),
        "ended_reason": row.ended_reason,
        "message": run.message if run is not None else "",
        "rto_seconds": run.rto_seconds if run is not None else None,
        "rpo_seconds": run.rpo_seconds if run is not None else None,
        "steps": [
            {"title": step.title, "state": step.state, "seconds": step.seconds, "note": step.note}
            for step in (run.steps.order_by("position") if run is not None else ())
        ],
    }
