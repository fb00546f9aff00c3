"""Adding and editing an instance, and the connection test that follows. The test runs as a job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import InstanceForm, initial_of, show_refusal
from catalog.models import Instance, Repository
from catalog.selectors import instance_get, job_get, may
from catalog.services.instance_add import instance_add
from catalog.services.instance_probe import instance_probe_start
from catalog.services.instance_update import instance_update
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.views.page import Request, action, form_page, page


@form_page
def add(request: Request) -> HttpResponse:
    if not may(user=request.user, permission="catalog.add_instance"):
        raise PermissionDenied
    form = InstanceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = instance_add(actor=request.user, **form.values())
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            return _to_test(request, made)
    return _form(request, form, {"has_repository": Repository.objects.exists()})


@form_page
def edit(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    if not may(user=request.user, permission="catalog.change_instance", instance=instance):
        raise PermissionDenied
    form = InstanceForm(
        request.POST or None, initial=initial_of(instance), has_password=instance.has_password
    )
    if request.method == "POST" and form.is_valid():
        try:
            changed = instance_update(actor=request.user, instance=instance, **form.values())
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            return _to_test(request, changed)
    return _form(request, form, {"instance": instance, "has_repository": True})


@action
def probe(request: Request, name: str) -> HttpResponse:
    return _to_test(request, instance_get(user=request.user, name=name))


@page
def connection(request: Request, name: str, key: UUID) -> HttpResponse:
    """What the connection test says, while it runs and afterwards."""
    context = _test(request, name, key)
    template = "catalog/connection.html#moving" if request.htmx else "catalog/connection.html"
    return render(request, template, context)


def _to_test(request: Request, instance: Instance) -> HttpResponse:
    job = instance_probe_start(actor=request.user, instance=instance)
    return redirect("instance_connection", name=instance.name, key=job.pk)


def _test(request: Request, name: str, key: UUID) -> dict[str, Any]:
    instance = instance_get(user=request.user, name=name)
    return {
        "instance": instance,
        "job": job_get(user=request.user, job_id=key),
        "databases": instance.databases.filter(is_present=True).count(),
        "may_backup": may(user=request.user, permission="catalog.backup_instance", instance=instance),
        "may_change": may(user=request.user, permission="catalog.change_instance", instance=instance),
    }


def _form(request: Request, form: InstanceForm, context: dict[str, Any]) -> HttpResponse:
    context |= {"form": form}
    return render(request, "catalog/instance_form.html", context, status=400 if form.errors else 200)
