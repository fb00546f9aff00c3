"""Asking approvers, and reminding them: a request half of whose time is over is told again, louder."""

from __future__ import annotations

from dataprotect.core import clock
from restores.models import RestoreRequest
from restores.selectors.approvals import roles_missing
from restores.services.restore_alert import restore_alert
from restores.states import RestoreState


def approval_ask(row: RestoreRequest) -> None:
    """Tell approvers that it waits, in the caller's transaction."""
    _tell(row, "warning", "waits for signatures", f": {row.reason or 'no reason given'}", "")


def approvals_remind() -> int:
    """How many requests are critical now: the alert of their submitting grows, and is sent again."""
    now, reminded = clock.now(), 0
    waiting = RestoreRequest.objects.filter(state=RestoreState.AWAITING, approval_until__gt=now)
    for row in waiting.select_related("instance", "target_instance"):
        if row.submitted_at is None or row.approval_until is None:
            continue
        if now - row.submitted_at < (row.approval_until - row.submitted_at) / 2:
            continue
        by = clock.iso(row.approval_until)
        _tell(row, "critical", "still waits, and lapses soon", "", f" by {by}")
        reminded += 1
    return reminded


def _tell(row: RestoreRequest, severity: str, how: str, why: str, when: str) -> None:
    """One alert for each request, however often it is told."""
    restore_alert(
        request=row, rule="approval_waiting", severity=severity,
        title=f"The restore {row.restore_id} onto {row.affected.name} {how}.",
        detail=f"Asked by {row.requested_by_name}{why}. "
        f"To be signed as {' and '.join(roles_missing(row))}{when}.",
    )  # fmt: skip
