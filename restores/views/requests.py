"""The list of restores with what waits for the reader, and one restore from its plan to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from dataprotect.core import clock
from dataprotect.ops import selectors as ops
from dataprotect.ops.operating_profile import WORDS, Safeguard
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, page
from restores.filters import RestoreFilter, RunFilter
from restores.forms import DecisionForm
from restores.selectors.approvals import inbox, own_decisions
from restores.selectors.history import run_list
from restores.selectors.requests import RequestDetail, request_detail, request_get, request_list
from restores.selectors.run_progress import progress_of
from restores.tables import HistoryTable, RestoreTable

TAIL = 12
MONTH = timedelta(days=30)


@page
def restores(request: Request) -> HttpResponse:
    context = listing(request, request_list(user=request.user), RestoreFilter, RestoreTable, "Restores")
    context |= {
        "title": "Restores",
        "lead": "What was asked for, signed, run and rolled back. The newest first.",
        "nothing_matches": "No restore matches this filter.",
        "waiting": inbox(user=request.user, at=clock.now()),
    }
    return render(request, "restores/restores.html", context)


@page
def history(request: Request) -> HttpResponse:
    """How the runs that ended went: each against its targets, and where its time went."""
    context = listing(request, run_list(user=request.user), RunFilter, HistoryTable, "Restore history")
    context |= {
        "title": "Restore history",
        "lead": "Recovery time from the declaration to validated use. Grey is waiting, blue is work.",
        "nothing_matches": "No run matches this filter.",
    }
    return render(request, "restores/history.html", context)


@page
def approvals(request: Request) -> HttpResponse:
    """What waits for the reader's signature, and what the reader decided in the last month."""
    now = clock.now()
    context = {
        "waiting": inbox(user=request.user, at=now),
        "decided": own_decisions(user=request.user, since=now - MONTH)[:50],
    }
    return render(request, "restores/approvals.html", context)


@page
def restore(request: Request, restore_id: str) -> HttpResponse:
    return render(request, "restores/restore.html", _context(request, restore_id))


@page
def restore_progress(request: Request, restore_id: str) -> HttpResponse:
    """What changes while it runs; the page asks every two seconds until it has ended."""
    context = _context(request, restore_id)
    context["changed"] = request.GET.get("state") != context["detail"].standing
    return render(request, "restores/restore.html#moving", context)


@page
def restore_json(request: Request, restore_id: str) -> HttpResponse:
    return JsonResponse(progress_of(request_get(user=request.user, restore_id=restore_id)))


def _context(request: Request, restore_id: str) -> dict[str, Any]:
    detail = request_detail(user=request.user, restore_id=restore_id, now=clock.now())
    return {
        "detail": detail,
        "row": detail.row,
        "plan": detail.row.plan,
        "checklist": [(WORDS[Safeguard(each.code)], each) for each in detail.safeguards],
        "form": DecisionForm(),
        "lines": _tail(detail),
        "message": detail.run.message if detail.run is not None else "",
    }


def _tail(detail: RequestDetail) -> list[Any]:
    if detail.job is None:
        return []
    return list(ops.job_log(detail.job.pk).order_by("-id")[:TAIL])[::-1]
