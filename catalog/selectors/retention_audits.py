"""The reports of the monthly audit. Each names every instance, so only who sees every instance reads them."""

from __future__ import annotations

from django.db.models import QuerySet

from catalog.models import RetentionAudit
from catalog.selectors.visible import Viewer, may, not_found, sees_every_instance


def retention_audits(*, user: Viewer) -> QuerySet[RetentionAudit]:
    """Newest first."""
    if not (may(user=user, permission="catalog.view_retentionaudit") and sees_every_instance(user=user)):
        return RetentionAudit.objects.none()
    return RetentionAudit.objects.order_by("-at", "-pk")


def retention_audit_get(*, user: Viewer, pk: int) -> RetentionAudit:
    """Raises ForeseenError `audit.not_found`."""
    found = retention_audits(user=user).filter(pk=pk).first()
    if found is None:
        raise not_found("audit", str(pk))
    return found
