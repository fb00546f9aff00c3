"""The approval policy: the table in force, what is proposed, and its signatures."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from catalog.forms.instances import show_refusal
from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.step_up import fresh_at
from dataprotect.ops.views.kept_words import words_kept
from dataprotect.ops.views.page import Request, action, form_page
from restores.forms import ApprovalPolicyForm, initial_of_approval_policy
from restores.models import ApprovalPolicy
from restores.selectors.approvals import policy_active, rows_of
from restores.selectors.policies import (
    policy_list,
    proposal,
    role_for_policy,
    rows_in_words,
    signed_until,
    stands_in,
)
from restores.services.approval_policy_decide import (
    approval_policy_reject,
    approval_policy_sign,
    policy_roles_missing,
)
from restores.services.approval_policy_propose import approval_policy_propose
from restores.states import PolicyState


@form_page
def policy(request: Request) -> HttpResponse:
    """GET shows it, with `?propose` a form too; POST proposes another one, which others have to sign."""
    if not request.user.has_perm("restores.view_restorerequest"):
        raise PermissionDenied
    active = policy_active()
    may_propose = request.user.has_perm("restores.propose_approvalpolicy")
    asks = may_propose and ("propose" in request.GET or request.method == "POST")
    initial = initial_of_approval_policy(rows_of(active), active.approval_hours, active.execution_hours)
    form = ApprovalPolicyForm(
        request.POST if request.method == "POST" else None, initial=initial | words_kept(request)
    )
    if request.method == "POST" and form.is_valid():
        try:
            approval_policy_propose(
                actor=request.user, rows=form.rows(), reason=form.cleaned_data["reason"],
                approval_hours=form.cleaned_data["approval_hours"],
                execution_hours=form.cleaned_data["execution_hours"], fresh_at=fresh_at(request),
            )  # fmt: skip
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, "Proposed. It counts once it is signed.")
            return redirect("approval_policy")
    context = {
        "policy": active, "rows": rows_in_words(active), "stands_in": stands_in(active),
        "versions": policy_list()[:50], "may_propose": may_propose, "form": form if asks else None,
    }  # fmt: skip
    return render(request, "restores/policy.html", context | _proposal(request))


def _proposal(request: Request) -> dict[str, Any]:
    found = proposal()
    if found is None:
        return {"proposal": None}
    missing = policy_roles_missing(found)
    role = role_for_policy(user=request.user, policy=found, missing=missing, at=clock.now())
    return {
        "proposal": found, "proposed": rows_in_words(found), "missing": missing, "role": role,
        "until": signed_until(found),
    }  # fmt: skip


@action
def sign(request: Request, version: int) -> HttpResponse:
    found = get_object_or_404(ApprovalPolicy, version=version)
    done = approval_policy_sign(
        actor=request.user, policy=found, rows_hash=request.POST.get("rows_hash", ""),
        role=request.POST.get("role", ""), fresh_at=fresh_at(request),
    )  # fmt: skip
    ready = done.state == PolicyState.ACTIVE
    messages.success(request, "It is in force now." if ready else "Signed. Others have to sign too.")
    return redirect("approval_policy")


@action
def reject(request: Request, version: int) -> HttpResponse:
    found = get_object_or_404(ApprovalPolicy, version=version)
    approval_policy_reject(
        actor=request.user, policy=found, rows_hash=request.POST.get("rows_hash", ""),
        role=request.POST.get("role", ""), reason=request.POST.get("reason", ""), fresh_at=fresh_at(request),
    )  # fmt: skip
    messages.success(request, "Rejected. The policy stays as it is.")
    return redirect("approval_policy")
