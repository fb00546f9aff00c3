"""Legal holds: the list, one with what it covers, placing one, asking to lift one."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.filters import HoldFilter
from catalog.forms import show_refusal
from catalog.forms.retention import HoldForm, ReasonForm
from catalog.models import LegalHold
from catalog.selectors import backup_get, instances_visible, may
from catalog.selectors.holds import hold_detail, hold_get, hold_list
from catalog.services.change_request import hold_lift_request
from catalog.services.hold_place import hold_place
from catalog.tables import HoldTable
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, action, form_page, page

FIELD_OF = {"backup_id": "backup"}


@page
def holds(request: Request) -> HttpResponse:
    context = listing(request, hold_list(user=request.user), HoldFilter, HoldTable, "Holds")
    context |= {
        "title": "Holds",
        "lead": "What no rule and no single person deletes, for whom and why.",
        "nothing_matches": "No hold matches this filter.",
        "may_place": may(user=request.user, permission="catalog.add_legalhold"),
    }
    return render(request, "catalog/holds.html", context)


@page
def hold(request: Request, key: int) -> HttpResponse:
    detail = hold_detail(user=request.user, pk=key)
    context = {"detail": detail, "hold": detail.hold, "form": ReasonForm()}
    return render(request, "catalog/hold.html", context)


@form_page
def place(request: Request) -> HttpResponse:
    if not may(user=request.user, permission="catalog.add_legalhold"):
        raise PermissionDenied
    asked = {name: request.GET.get(name, "") for name in ("instance", "backup")}
    form = HoldForm(
        request.POST or None, initial=asked, instances=instances_visible(user=request.user).order_by("name")
    )
    if request.method == "POST" and form.is_valid():
        made = _placed(request, form)
        if made is not None:
            messages.success(request, f"{made.matter} holds now. Nothing of it is deleted.")
            return redirect("hold", key=made.pk)
    return render(request, "catalog/hold_form.html", {"form": form}, status=400 if form.errors else 200)


def _placed(request: Request, form: HoldForm) -> LegalHold | None:
    """None when it was refused; the form then says why."""
    typed = form.cleaned_data
    try:
        backup = backup_get(user=request.user, backup_id=typed["backup"]) if typed["backup"] else None
        return hold_place(
            actor=request.user, instance=typed["instance"], backup=backup, reason=typed["reason"],
            matter=typed["matter"], owner=typed["owner"], until=form.until_instant(),
        )  # fmt: skip
    except InvalidInput as error:
        show_refusal(form, error)
    except ForeseenError as error:
        if error.code == "access.denied":
            raise PermissionDenied(error.message) from error
        form.add_error("backup", f"{error.message} {error.action}")
    return None


@action
def lift(request: Request, key: int) -> HttpResponse:
    """Asks only: the hold ends when a second person approves."""
    found = hold_get(user=request.user, pk=key)
    change = hold_lift_request(actor=request.user, hold=found, reason=request.POST.get("reason", ""))
    messages.success(request, "The request waits for a second person. Until then the hold stands.")
    return redirect("change", key=change.pk)
