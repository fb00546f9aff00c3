"""The audit chain."""

from __future__ import annotations

from django.urls import path

from compliance.views import audit

urlpatterns = [
    path("audit/", audit.audit, name="audit"),
    path("audit/prove/", audit.audit_prove, name="audit_prove"),
    path("audit/<int:sequence>/", audit.audit_event, name="audit_event"),
]
