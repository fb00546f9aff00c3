"""Who may do what with one instance: seen, given and taken back by whoever may grant."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import AccessForm, holder_of
from catalog.models import Instance
from catalog.selectors import instance_detail, instance_get, may
from catalog.services.instance_access import instance_access_grant, instance_access_revoke
from dataprotect.ops.views.page import Request, action, form_page


@form_page
def access(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    if not may(user=request.user, permission="catalog.grant_instance", instance=instance):
        raise PermissionDenied
    form = AccessForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _granted(request, instance, form)
    detail = instance_detail(user=request.user, name=name)
    context = {"instance": instance, "form": form, "access": detail.access}
    return render(request, "catalog/access.html", context, status=400 if form.errors else 200)


def _granted(request: Request, instance: Instance, form: AccessForm) -> HttpResponse:
    holder = holder_of(form.cleaned_data["holder"])
    instance_access_grant(
        actor=request.user, instance=instance, holder=holder, permissions=form.cleaned_data["permissions"]
    )
    messages.success(request, f"{holder} has these rights on {instance.name} now.")
    return redirect("instance_access", name=instance.name)


@action
def revoke(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    holder = holder_of(request.POST.get("holder", ""))
    instance_access_revoke(actor=request.user, instance=instance, holder=holder)
    messages.success(request, f"{holder} has no rights of their own on {instance.name} any more.")
    return redirect("instance_access", name=name)
