"""Reminding approvers: a request half of whose time is over is told again, louder."""

from __future__ import annotations

from dataprotect.core import clock
from dataprotect.ops.services.alert_raise import alert_raise
from restores.models import RestoreRequest
from restores.selectors.approvals import roles_missing
from restores.services.approval_give import waiting_key
from restores.states import RestoreState


def approvals_remind() -> int:
    """How many requests are critical now: the alert of their submitting grows, and is sent again."""
    now, reminded = clock.now(), 0
    waiting = RestoreRequest.objects.filter(state=RestoreState.AWAITING, approval_until__gt=now)
    for row in waiting.select_related("instance", "target_instance"):
        if row.submitted_at is None or row.approval_until is None:
            continue
        if now - row.submitted_at < (row.approval_until - row.submitted_at) / 2:
            continue
        target = row.target_instance or row.instance
        alert_raise(
            rule="approval_waiting", severity="critical", subject=row.subject, dedupe_key=waiting_key(row),
            title=f"The restore {row.restore_id} onto {target.name} still waits, and lapses soon.",
            detail=f"Asked by {row.requested_by_name}. To be signed as {' and '.join(roles_missing(row))} "
            f"by {clock.iso(row.approval_until)}.",
            link=f"/restores/{row.restore_id}/",
        )  # fmt: skip
        reminded += 1
    return reminded
