"""Alerts about one restore, told to everybody who may see the instance it changes."""

from __future__ import annotations

from dataprotect.ops.services.alert_raise import alert_raise
from restores.models import RestoreRequest


def restore_alert(*, request: RestoreRequest, rule: str, severity: str, title: str, detail: str) -> None:
    """Once for each rule and request, in the caller's transaction. Its subject is the instance: who may see
    an alert follows from the right to see that.
    """
    alert_raise(
        rule=rule, severity=severity, subject=request.affected.subject,
        dedupe_key=alert_key(rule, request), title=title, detail=detail,
        link=f"/restores/{request.restore_id}/",
    )  # fmt: skip


def alert_key(rule: str, request: RestoreRequest) -> str:
    """What ends the alert (`alert_resolve`)."""
    return f"{rule}:{request.subject}"
