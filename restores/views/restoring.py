"""What restoring onto an instance is set up with, and the smoke tests asked of what was restored."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import show_refusal
from catalog.models import Instance
from catalog.selectors import instance_get, may
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.step_up import fresh_at
from dataprotect.ops.views.page import Request, action, form_page, page, stepped_up
from restores.forms_restoring import RestoringForm, SmokeTestForm, initial_of_settings, initial_of_test
from restores.selectors.restoring import restoring, smoke_test_get
from restores.services.restore_account import restore_settings_set
from restores.services.smoke_test import smoke_test_add, smoke_test_change, smoke_test_remove


@page
def settings(request: Request, name: str) -> HttpResponse:
    found = restoring(user=request.user, name=name)
    return render(request, "restores/restoring.html", {"found": found, "instance": found.instance})


@form_page
@stepped_up
def edit(request: Request, name: str) -> HttpResponse:
    found = restoring(user=request.user, name=name)
    _may_change(request, found.instance)
    form = RestoringForm(
        request.POST or None, initial=initial_of_settings(found.settings), has_password=found.has_password
    )
    if request.method == "POST" and form.is_valid():
        try:
            restore_settings_set(
                actor=request.user, instance=found.instance, fresh_at=fresh_at(request), **form.values()
            )
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"Restores onto {name} are set up so from now on.")
            return redirect("restoring", name=name)
    return _form(request, "restores/restoring_form.html", form, {"instance": found.instance})


@form_page
def add_test(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    _may_change(request, instance)
    form = SmokeTestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = smoke_test_add(actor=request.user, instance=instance, **form.cleaned_data)
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"{made.name} is asked after every restore onto {name}.")
            return redirect("restoring", name=name)
    return _form(request, "restores/smoke_test_form.html", form, {"instance": instance})


@form_page
def edit_test(request: Request, key: int) -> HttpResponse:
    test = smoke_test_get(user=request.user, key=key)
    _may_change(request, test.instance)
    form = SmokeTestForm(request.POST or None, initial=initial_of_test(test))
    if request.method == "POST" and form.is_valid():
        try:
            smoke_test_change(actor=request.user, test=test, **form.cleaned_data)
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, "The smoke test is changed.")
            return redirect("restoring", name=test.instance.name)
    return _form(request, "restores/smoke_test_form.html", form, {"instance": test.instance, "key": key})


@action
def remove_test(request: Request, key: int) -> HttpResponse:
    test = smoke_test_get(user=request.user, key=key)
    smoke_test_remove(actor=request.user, test=test)
    messages.success(request, f"{test.name} is not asked any more.")
    return redirect("restoring", name=test.instance.name)


def _may_change(request: Request, instance: Instance) -> None:
    if not may(user=request.user, permission="catalog.change_instance", instance=instance):
        raise PermissionDenied


def _form(request: Request, template: str, form: Any, context: dict[str, Any]) -> HttpResponse:
    return render(request, template, {"form": form, **context}, status=400 if form.errors else 200)
