"""Who signs what: the table in force, and how it came about."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render

from dataprotect.ops.views.page import Request, page
from restores.selectors.approvals import policy_active
from restores.selectors.policies import policy_list, rows_in_words, stands_in


@page
def policy(request: Request) -> HttpResponse:
    if not request.user.has_perm("restores.view_restorerequest"):
        raise PermissionDenied
    active = policy_active()
    context = {
        "policy": active,
        "rows": rows_in_words(active),
        "stands_in": stands_in(active),
        "versions": policy_list()[:50],
    }
    return render(request, "restores/policy.html", context)
