"""Alerts: the list, one with its history, and what a person does with it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Case, Value, When
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.filters import AlertFilter
from catalog.forms.alerts import AcknowledgeForm, CloseForm, OwnerForm, SnoozeForm
from catalog.selectors.alerts import AlertDetail, alert_counts, alert_detail, alert_get, alert_list
from catalog.tables import AlertTable
from dataprotect.core import clock
from dataprotect.ops.alert_states import RANK, UNRESOLVED
from dataprotect.ops.forms import HouseForm
from dataprotect.ops.models import Alert
from dataprotect.ops.services.alert_handle import alert_acknowledge, alert_assign, alert_snooze
from dataprotect.ops.services.alert_resolve import alert_close
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, action, page

WORST_FIRST = Case(*(When(severity=level, then=Value(-rank)) for level, rank in RANK.items()))
TONES = {"critical": "bad", "warning": "warn", "info": "idle"}


@page
def alerts(request: Request) -> HttpResponse:
    """Without a choice of state: what is not over."""
    rows = alert_list(user=request.user).order_by(WORST_FIRST, "-last_seen_at", "-pk")
    if not request.GET.get("state"):
        rows = rows.filter(state__in=UNRESOLVED)
    context = listing(request, rows, AlertFilter, AlertTable, "Alerts")
    context |= {
        "title": "Alerts",
        "lead": "What is off, once per trouble. It ends by itself when it is over, or when a person says so.",
        "nothing_matches": "No alert matches this filter.",
        "counts": alert_counts(user=request.user),
        "may_see_channels": request.user.has_perm("ops.view_alertchannel"),
    }
    return render(request, "catalog/alerts.html", context)


@page
def alert(request: Request, key: int) -> HttpResponse:
    return _shown(request, alert_detail(user=request.user, key=key))


@action
def acknowledge(request: Request, key: int) -> HttpResponse:
    found, form = alert_get(user=request.user, key=key), AcknowledgeForm(request.POST)
    if not form.is_valid():
        return _refused(request, found, form)
    alert_acknowledge(actor=request.user, alert=found, note=form.cleaned_data["note"])
    return _done(request, found, "You look after this alert now. It is not repeated.")


@action
def snooze(request: Request, key: int) -> HttpResponse:
    found, form = alert_get(user=request.user, key=key), SnoozeForm(request.POST)
    if not form.is_valid():
        return _refused(request, found, form)
    until = clock.now() + form.span()
    alert_snooze(actor=request.user, alert=found, until=until, note=form.cleaned_data["note"])
    return _done(request, found, "The alert is silent. It opens again if it is not over by then.")


@action
def assign(request: Request, key: int) -> HttpResponse:
    found, form = alert_get(user=request.user, key=key), OwnerForm(request.POST)
    if not form.is_valid():
        return _refused(request, found, form)
    owner = form.cleaned_data["owner"]
    alert_assign(actor=request.user, alert=found, owner=owner)
    return _done(request, found, f"The alert is {owner}'s now." if owner else "The alert is nobody's now.")


@action
def resolve(request: Request, key: int) -> HttpResponse:
    found, form = alert_get(user=request.user, key=key), CloseForm(request.POST)
    if not form.is_valid():
        return _refused(request, found, form)
    alert_close(actor=request.user, alert=found, reason=form.cleaned_data["reason"])
    return _done(request, found, "The alert is resolved. If the trouble comes back, it is a new alert.")


def _done(request: Request, found: Alert, sentence: str) -> HttpResponse:
    messages.success(request, sentence)
    return redirect("alert", key=found.pk)


def _refused(request: Request, found: Alert, form: HouseForm) -> HttpResponse:
    """The page again, with the mistake beside its field."""
    return _shown(request, alert_detail(user=request.user, key=found.pk), form)


def _shown(request: Request, detail: AlertDetail, wrong: HouseForm | None = None) -> HttpResponse:
    forms: dict[str, Any] = {
        "acknowledge_form": AcknowledgeForm(auto_id="id_acknowledge_%s"),
        "snooze_form": SnoozeForm(auto_id="id_snooze_%s"),
        "owner_form": OwnerForm(initial={"owner": detail.alert.owner_id}),
        "close_form": CloseForm(),
    }
    forms |= {name: wrong for name, form in forms.items() if type(form) is type(wrong)}
    context = {
        "detail": detail,
        "alert": detail.alert,
        "tone": "ok" if detail.alert.is_resolved else TONES[detail.alert.severity],
        "may_handle": request.user.has_perm("ops.handle_alert") and not detail.alert.is_resolved,
        "form": wrong,
        **forms,
    }
    return render(request, "catalog/alert.html", context, status=400 if wrong else 200)
