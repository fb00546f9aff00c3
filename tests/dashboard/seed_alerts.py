"""Alerts, channels and messages of an installation in which something is off."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.models import Instance
from dataprotect.ops.models import Alert, AlertChannel, AlertDelivery
from dataprotect.ops.services.audit import audit_record


def channel(name: str, now: datetime, **more: object) -> AlertChannel:
    values = {"service": "slack", "minimum_severity": "warning", "created_at": now - timedelta(days=50)}
    made: AlertChannel = AlertChannel.objects.create(name=name, **(values | more))
    return made


def alert(of: Instance, rule: str, now: datetime, severity: str = "critical", **more: object) -> Alert:
    values = {
        "subject": of.subject,
        "dedupe_key": f"{rule}:{of.subject}",
        "severity": severity,
        "title": f"{of.name} would lose more than its RPO target allows.",
        "detail": "The newest recoverable instant is 26 min ago; the target is 5 min.",
        "link": f"/instances/{of.name}/",
        "first_seen_at": now - timedelta(minutes=21),
        "last_seen_at": now - timedelta(seconds=40),
        "count": 21,
    }
    made: Alert = Alert.objects.create(rule=rule, **(values | more))
    audit_record(actor="system", verb="alert.raised", subject=made, data={"rule": rule})
    return made


def alerts(made: dict[str, Instance], now: datetime) -> None:
    """One in every state, and a channel that fails beside one that works."""
    works = channel("on-call", now, last_sent_at=now - timedelta(minutes=21))
    channel("mail-of-the-team", now, service="mailtos", last_problem="The message was not sent: status 535.")
    first = alert(made["orders"], "rpo_breached", now)
    alert(
        made["billing"], "restore_slower_than_rto", now, "warning", state="acknowledged",
        acknowledged_by="senior-dba", acknowledged_at=now, acknowledged_note="Faster disks are ordered.",
    )  # fmt: skip
    alert(made["legacy-crm"], "backup_failed", now, "warning", state="snoozed",
          snoozed_until=now + timedelta(hours=3))  # fmt: skip
    alert(made["orders"], "rpo_breached", now - timedelta(days=3), state="resolved", resolved_at=now,
          resolved_by="system", resolved_reason="What was found is not there any more.")  # fmt: skip
    AlertDelivery.objects.create(
        alert=first, channel=works, kind="raised", severity="critical", title=first.title, state="sent",
        attempts=1, due_at=now, created_at=now - timedelta(minutes=21), sent_at=now - timedelta(minutes=21),
    )  # fmt: skip
