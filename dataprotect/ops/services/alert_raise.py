"""Raising an alert: once per trouble, however often and by however many it is found."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import RANK, UNRESOLVED, AlertState, DeliveryKind, Severity
from dataprotect.ops.models import Alert
from dataprotect.ops.services.alert_message import message_write
from dataprotect.ops.services.audit import audit_record

_LONGEST = {"title": 200, "link": 500, "subject": 200}


def alert_raise(
    *,
    rule: str,
    severity: str,
    title: str,
    subject: str = "",
    detail: str = "",
    dedupe_key: str = "",
    link: str = "",
) -> Alert:
    """Raise it, or count it up when it is unresolved already; in the caller's transaction or one of its own.

    dedupe_key  what makes it the same trouble; empty: `rule:subject`
    A higher severity is told again, and wakes a snoozed alert. Nothing secret belongs into any of the texts.
    """
    return finding_raise(
        Finding(
            rule=rule, severity=Severity(severity), title=title, detail=detail, subject=subject,
            link=link, dedupe_key=dedupe_key,
        )
    )  # fmt: skip


@transaction.atomic
def finding_raise(finding: Finding) -> Alert:
    """The same from a finding. Two at once: the unique constraint lets one in, the other counts up."""
    alert = _unresolved(finding.key)
    if alert is None:
        try:
            with transaction.atomic():
                return _begin(finding)
        except IntegrityError:
            alert = _unresolved(finding.key)
            if alert is None:
                raise
    return seen_again(alert, finding)


def seen_again(alert: Alert, finding: Finding) -> Alert:
    """Count up and take over what the finding says now. `alert` was read in this transaction."""
    old = Severity(alert.severity)
    changes: dict[str, Any] = texts(finding)
    Alert.objects.filter(pk=alert.pk).update(count=F("count") + 1, last_seen_at=clock.now(), **changes)
    alert.refresh_from_db()
    if finding.severity != old:
        _severity_changed(alert, old)
    return alert


def texts(finding: Finding) -> dict[str, str]:
    """The columns that follow the newest finding, cut to what they hold."""
    return {
        "severity": str(finding.severity),
        "title": finding.title[: _LONGEST["title"]],
        "detail": finding.detail,
        "link": finding.link[: _LONGEST["link"]],
    }


def _unresolved(key: str) -> Alert | None:
    return Alert.objects.select_for_update().filter(dedupe_key=key, state__in=UNRESOLVED).first()


def _begin(finding: Finding) -> Alert:
    now = clock.now()
    alert = Alert.objects.create(
        rule=finding.rule, subject=finding.subject[: _LONGEST["subject"]], dedupe_key=finding.key,
        first_seen_at=now, last_seen_at=now, notified_at=now, **texts(finding),
    )  # fmt: skip
    message_write(alert=alert, kind=DeliveryKind.RAISED)
    audit_record(actor="system", verb="alert.raised", subject=alert, data=_facts(alert))
    return alert


def _severity_changed(alert: Alert, old: Severity) -> None:
    worse = RANK[Severity(alert.severity)] > RANK[old]
    if worse:
        Alert.objects.filter(pk=alert.pk, state=AlertState.SNOOZED).update(
            state=AlertState.OPEN, snoozed_until=None
        )
        Alert.objects.filter(pk=alert.pk).update(notified_at=clock.now())
        alert.refresh_from_db()
        message_write(alert=alert, kind=DeliveryKind.WORSE)
    verb = "alert.worsened" if worse else "alert.eased"
    audit_record(actor="system", verb=verb, subject=alert, data={**_facts(alert), "before": str(old)})


def _facts(alert: Alert) -> dict[str, str]:
    return {
        "rule": alert.rule,
        "about": alert.subject,
        "severity": str(alert.severity),
        "title": alert.title,
    }
