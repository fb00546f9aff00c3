"""What goes when, and why each other stays: all instances, and one with every backup and every reason."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms.retention import ReasonForm, SimulateForm
from catalog.models import Instance
from catalog.selectors import backup_get, instances_visible, may
from catalog.selectors.holds import expiry_list
from catalog.selectors.retention import retention_simulation, simulate
from catalog.selectors.retention_audits import retention_audit_get, retention_audits
from catalog.services.change_request import backup_delete_request
from catalog.services.expiry_place import backup_spare
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.views.page import Request, action, form_page, page, raise_as_response

PER_PAGE = 25
_LEAVING = 50
_AUDITS = 12


@page
def retention(request: Request) -> HttpResponse:
    form = SimulateForm(request.GET or None)
    instances = instances_visible(user=request.user).select_related("tier").order_by("name")
    number = request.GET.get("page", "1")
    shown = Paginator(instances, PER_PAGE).get_page(number if number.isdecimal() else 1)
    at = form.instant()
    context = {
        "form": form,
        "at": at,
        "page": shown,
        "simulations": simulate(_with_policy(list(shown.object_list)), at=at),
        "leaving": list(expiry_list(user=request.user, active=True)[:_LEAVING]),
        "day": request.GET.get("at", ""),
        "audits": list(retention_audits(user=request.user)[:_AUDITS]),
    }
    return render(request, "catalog/retention.html", context)


@page
def retention_of(request: Request, name: str) -> HttpResponse:
    form = SimulateForm(request.GET or None)
    found = retention_simulation(user=request.user, name=name, at=form.instant())
    context = {"form": form, "found": found, "instance": found.instance}
    return render(request, "catalog/retention_of.html", context)


@page
def retention_audit(request: Request, key: int) -> HttpResponse:
    audit = retention_audit_get(user=request.user, pk=key)
    return render(request, "catalog/retention_audit.html", {"audit": audit, "report": audit.report})


@action
def spare(request: Request, backup_id: str) -> HttpResponse:
    backup = backup_get(user=request.user, backup_id=backup_id)
    backup_spare(actor=request.user, backup=backup, reason=request.POST.get("reason", ""))
    messages.success(request, "The backup is spared. A rule that finds nothing to keep it asks again.")
    return redirect("backup", backup_id=backup_id)


@form_page
def delete(request: Request, backup_id: str) -> HttpResponse:
    """Asks only: it goes when a second person approves, after the grace time."""
    backup = backup_get(user=request.user, backup_id=backup_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            change = backup_delete_request(
                actor=request.user, backup=backup, reason=form.cleaned_data["reason"]
            )
        except ForeseenError as error:
            raise_as_response(error)
            form.add_error(None, f"{error.message} {error.action}")
        else:
            messages.success(request, "The request waits for a second person.")
            return redirect("change", key=change.pk)
    context = {"form": form, "backup": backup, "dependents": backup.dependents.count()}
    if not may_ask(request, backup.instance):
        return render(request, "403.html", context, status=403)
    return render(request, "catalog/backup_delete.html", context, status=400 if form.errors else 200)


def may_ask(request: Request, instance: Instance) -> bool:
    """Ask for what takes a second person: by role, or with the right to change this instance."""
    return may(user=request.user, permission="catalog.add_changerequest") or may(
        user=request.user, permission="catalog.change_instance", instance=instance
    )


def _with_policy(instances: list[Instance]) -> list[Instance]:
    """Their policies in one query, where instances have policies."""
    from django.db.models import prefetch_related_objects

    if instances and hasattr(Instance, "policy"):
        prefetch_related_objects(instances, "policy")
    return instances
