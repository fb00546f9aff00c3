"""What people decide about a restore: POSTs, each with a fresh proof where it is dangerous."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from dataprotect.ops.services.jobs import job_cancel
from dataprotect.ops.step_up import fresh_at
from dataprotect.ops.views.page import Request, action
from restores.models import RestoreRequest, RestoreRun
from restores.selectors.requests import request_get
from restores.services.approval_deny import approval_deny
from restores.services.approval_give import approval_give
from restores.services.break_glass import glass_break, glass_review
from restores.services.request_cancel import restore_cancel
from restores.services.request_start import restore_start
from restores.services.rollback_run import rollback_start
from restores.states import ACTIVE, RestoreState


@action
def approve(request: Request, restore_id: str) -> HttpResponse:
    """Signs what was shown: hash and role travel with the form."""
    done = approval_give(
        actor=request.user, request=_asked(request, restore_id), plan_hash=request.POST.get("plan_hash", ""),
        role=request.POST.get("role", ""), reason=request.POST.get("reason", ""), fresh_at=fresh_at(request),
    )  # fmt: skip
    ready = done.state == RestoreState.APPROVED
    messages.success(request, "Signed. It may be started." if ready else "Signed. Others have to sign too.")
    return redirect("restore", restore_id=restore_id)


@action
def deny(request: Request, restore_id: str) -> HttpResponse:
    approval_deny(
        actor=request.user, request=_asked(request, restore_id), plan_hash=request.POST.get("plan_hash", ""),
        reason=request.POST.get("reason", ""), fresh_at=fresh_at(request),
    )  # fmt: skip
    messages.success(request, "Denied. Nothing is touched.")
    return redirect("restore", restore_id=restore_id)


@action
def break_glass(request: Request, restore_id: str) -> HttpResponse:
    glass_break(
        actor=request.user, request=_asked(request, restore_id), plan_hash=request.POST.get("plan_hash", ""),
        reason=request.POST.get("reason", ""), fresh_at=fresh_at(request),
    )  # fmt: skip
    messages.warning(request, "The glass is broken, and everybody is told. It is reviewed within 72 hours.")
    return redirect("restore", restore_id=restore_id)


@action
def review_glass(request: Request, restore_id: str) -> HttpResponse:
    row = _asked(request, restore_id)
    glass_review(
        actor=request.user,
        use=row.break_glass,
        note=request.POST.get("reason", ""),
        fresh_at=fresh_at(request),
    )
    messages.success(request, "Reviewed.")
    return redirect("restore", restore_id=restore_id)


@action
def start(request: Request, restore_id: str) -> HttpResponse:
    restore_start(actor=request.user, request=_asked(request, restore_id), fresh_at=fresh_at(request))
    messages.success(request, "It is started. You can close this page.")
    return redirect("restore", restore_id=restore_id)


@action
def cancel(request: Request, restore_id: str) -> HttpResponse:
    """Before it runs it is taken back; a run ends at its next safe point."""
    row = _asked(request, restore_id)
    if row.state in ACTIVE:
        job_cancel(job_id=RestoreRun.objects.get(request=row).job_id, actor=request.user)
        messages.success(request, "It stops at its next safe point.")
    else:
        restore_cancel(actor=request.user, request=row, reason=request.POST.get("reason", ""))
        messages.success(request, "Cancelled. Nothing was touched.")
    return redirect("restore", restore_id=restore_id)


@action
def roll_back(request: Request, restore_id: str) -> HttpResponse:
    rollback_start(
        actor=request.user, request=_asked(request, restore_id), reason=request.POST.get("reason", ""),
        fresh_at=fresh_at(request),
    )  # fmt: skip
    messages.success(request, "It is being rolled back.")
    return redirect("restore", restore_id=restore_id)


def _asked(request: Request, restore_id: str) -> RestoreRequest:
    return request_get(user=request.user, restore_id=restore_id)
