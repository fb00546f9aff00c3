"""The log of instances: who collects it, how far it is, where it is broken, what a loss would have cost."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import show_refusal
from catalog.forms.logs import AcknowledgeGapForm
from catalog.pictures.rpo import rpo_picture
from catalog.selectors import instance_get, may
from catalog.selectors.logs import LogRow, log_detail, log_gap_get, log_gaps, log_list
from catalog.services.log_gap_acknowledge import log_gap_acknowledge
from catalog.services.log_streaming_set import log_streaming_set
from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.views.page import Request, action, form_page, page

PER_PAGE = 50
_GAPS = 20
WANTED = {"on": True, "off": False, "policy": None}


@page
def logs(request: Request) -> HttpResponse:
    number = request.GET.get("page", "1")
    shown = Paginator(log_list(user=request.user), PER_PAGE).get_page(number if number.isdecimal() else 1)
    gaps = log_gaps(user=request.user, acknowledged=False)
    context = {"page": shown, "rows": list(shown.object_list), "gaps": list(gaps[:_GAPS])}
    return render(request, "catalog/logs.html", context)


@page
def log(request: Request, name: str) -> HttpResponse:
    now = clock.now()
    detail = log_detail(user=request.user, name=name, now=now)
    instance = detail.row.instance
    context = {
        "detail": detail,
        "row": detail.row,
        "instance": instance,
        "collector": detail.row.collector,
        "picture": rpo_picture(detail.rpo, target=detail.target_seconds, now=now),
        "verdict": verdict(detail.row),
        "may_change": may(user=request.user, permission="catalog.change_instance", instance=instance),
    }
    return render(request, "catalog/log.html", context)


def verdict(row: LogRow) -> tuple[str, str, str]:
    """Tone, icon and sentence: is the log of this instance collected?"""
    collector = row.collector
    if not row.wanted:
        return "idle", "none", "Its log is not streamed, so only the instants of its backups can be restored."
    if collector is None or not row.held:
        return "bad", "bad", "Nobody collects its log now: no collector of its site is running."
    if collector.last_error and collector.state != "streaming":
        return "bad", "bad", collector.last_error
    if row.open_gaps:
        return "warn", "warn", "It streams, but log is missing: no instant inside a gap can be restored."
    return "ok", "stream", "It streams, without a gap that nobody has looked at."


@action
def stream(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    choice = request.POST.get("wanted", "")
    if choice not in WANTED:
        raise InvalidInput("wanted", "Expected on, off or policy.")
    log_streaming_set(actor=request.user, instance=instance, wanted=WANTED[choice])
    messages.success(request, "A running collector follows within seconds.")
    return redirect("log", name=name)


@form_page
def gap(request: Request, key: int) -> HttpResponse:
    """One gap, and the form to say that it was seen."""
    found = log_gap_get(user=request.user, pk=key)
    may_change = may(user=request.user, permission="catalog.change_instance", instance=found.instance)
    form = AcknowledgeGapForm(request.POST or None)
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if form.is_valid():
            try:
                log_gap_acknowledge(actor=request.user, gap=found, note=form.cleaned_data["note"])
            except InvalidInput as error:
                show_refusal(form, error)
            else:
                messages.success(request, "The gap is acknowledged. It stays in the timeline.")
                return redirect("log", name=found.instance.name)
    context = {"gap": found, "form": form, "may_change": may_change}
    return render(request, "catalog/gap.html", context, status=400 if form.errors else 200)
