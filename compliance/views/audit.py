"""The audit chain: the list, one event with its hashes, and the proof of the whole."""

from __future__ import annotations

import json

from django.http import HttpResponse
from django.shortcuts import redirect, render

from compliance import selectors
from compliance.filters import AuditFilter
from compliance.services.audit_check import audit_proof_start
from compliance.tables import AuditTable, subject_link
from dataprotect.ops.models import AuditEvent
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, action, page


@page
def audit(request: Request) -> HttpResponse:
    rows = selectors.audit_list(user=request.user)
    context = listing(request, rows, AuditFilter, AuditTable, "Audit events")
    context |= {
        "title": "Audit",
        "lead": "Everything that changed, in a chain in which nothing can be changed unnoticed.",
        "nothing_matches": "No event matches this filter.",
        "chain": selectors.chain_state(),
    }
    return render(request, "compliance/audit.html", context)


@page
def audit_event(request: Request, sequence: int) -> HttpResponse:
    event = selectors.audit_event(user=request.user, sequence=sequence)
    context = {
        "event": event,
        "subject": subject_link(event),
        "data": json.dumps(event.data, indent=2, ensure_ascii=False) if event.data else "",
        "before": AuditEvent.objects.filter(sequence=sequence - 1).first(),
        "after": AuditEvent.objects.filter(sequence=sequence + 1).first(),
    }
    return render(request, "compliance/audit_event.html", context)


@action
def audit_prove(request: Request) -> HttpResponse:
    job = audit_proof_start(actor=request.user)
    return redirect("job", key=job.pk)
