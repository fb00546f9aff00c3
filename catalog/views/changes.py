"""The inbox of the second person: what is asked for, exactly what would happen, approve or reject."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.filters import ChangeFilter
from catalog.forms.retention import ReasonForm
from catalog.models import ChangeRequest
from catalog.selectors.changes import change_detail, change_get, change_list, changes_awaiting
from catalog.services.change_decide import change_approve, change_reject, change_withdraw
from catalog.states import ChangeState
from catalog.tables import ChangeTable
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, action, page

DONE = {
    ChangeState.EXECUTED: "Approved, and done.",
    ChangeState.AWAITING: "Approved. One more person has to approve it.",
}


@page
def changes(request: Request) -> HttpResponse:
    """Without a choice of state: what can still be decided."""
    rows = change_list(user=request.user, awaiting=None if request.GET.get("state") else True)
    context = listing(request, rows, ChangeFilter, ChangeTable, "Change requests")
    context |= {
        "title": "Change requests",
        "lead": "Deleting a backup, keeping for a shorter time, lifting a hold: each takes a second person.",
        "nothing_matches": "No request matches this filter.",
        "mine": changes_awaiting(user=request.user),
    }
    return render(request, "catalog/changes.html", context)


@page
def change(request: Request, key: int) -> HttpResponse:
    detail = change_detail(user=request.user, pk=key)
    context = {"detail": detail, "change": detail.change, "form": ReasonForm()}
    return render(request, "catalog/change.html", context)


@action
def approve(request: Request, key: int) -> HttpResponse:
    """Signs what was shown: the hash travels with the form."""
    found = _asked(request, key)
    done = change_approve(actor=request.user, change=found, seen_hash=request.POST.get("seen_hash", ""))
    messages.success(request, DONE.get(ChangeState(done.state), done.get_state_display()))
    return redirect("change", key=key)


@action
def reject(request: Request, key: int) -> HttpResponse:
    change_reject(actor=request.user, change=_asked(request, key), reason=request.POST.get("reason", ""))
    messages.success(request, "Rejected. Nothing is changed.")
    return redirect("change", key=key)


@action
def withdraw(request: Request, key: int) -> HttpResponse:
    change_withdraw(actor=request.user, change=_asked(request, key))
    messages.success(request, "Withdrawn. Nothing is changed.")
    return redirect("change", key=key)


def _asked(request: Request, key: int) -> ChangeRequest:
    return change_get(user=request.user, pk=key)
