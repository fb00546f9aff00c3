"""Policies: the list, one with its next runs, the editor, and giving one to an instance."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import show_refusal
from catalog.forms.policies import AssignForm, BlackoutForm, CopyForm, PolicyForm, initial_of_policy
from catalog.models import Policy
from catalog.selectors import instance_get, may
from catalog.selectors.advice import advice
from catalog.selectors.policies import instance_schedule, policy_detail, policy_get, policy_list, preview
from catalog.services import policy_input
from catalog.services.policy_assign import policy_assign
from catalog.services.policy_write import (
    blackout_add,
    blackout_remove,
    policy_copy,
    policy_remove,
    policy_update,
)
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.schedule import PlannedRun
from dataprotect.ops.forms import HouseForm
from dataprotect.ops.views.page import Request, action, form_page, page, raise_as_response

DAY_NAMES = dict(BlackoutForm.base_fields["days"].choices)  # type: ignore[attr-defined]


@page
def policies(request: Request) -> HttpResponse:
    if not request.user.has_perm("catalog.view_policy"):
        raise PermissionDenied
    now = clock.now()
    rows = list(policy_list(user=request.user).prefetch_related("blackouts"))
    context = {
        "rows": [(row, preview(row, now=now, count=1)) for row in rows],
        "may_add": request.user.has_perm("catalog.add_policy"),
    }
    return render(request, "catalog/policies.html", context)


@page
def policy(request: Request, name: str) -> HttpResponse:
    detail = policy_detail(user=request.user, name=name)
    return render(request, "catalog/policy.html", _detail(request, detail, BlackoutForm()))


def _detail(request: Request, detail: Any, form: BlackoutForm) -> dict[str, Any]:
    found: Policy = detail.policy
    return {
        "detail": detail,
        "policy": found,
        "coming": noted(detail.coming),
        "crons": [(field.label, getattr(found, field.name)) for field in PolicyForm().schedule],
        "blackouts": [(row, _days(row.weekdays)) for row in detail.blackouts],
        "form": form,
        "may_change": request.user.has_perm("catalog.change_policy"),
        "may_remove": request.user.has_perm("catalog.delete_policy") and not detail.instances_total,
    }


def _days(weekdays: str) -> str:
    return ", ".join(DAY_NAMES[day] for day in weekdays.split(",") if day) or "every day"


def noted(runs: list[PlannedRun]) -> list[tuple[PlannedRun, bool]]:
    """Each run, and whether it begins later than it is due, or never."""
    return [(run, run.starts_at is None or not _same_minute(run.starts_at, run.due_at)) for run in runs]


def _same_minute(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(minutes=1)


@form_page
def add(request: Request) -> HttpResponse:
    if not request.user.has_perm("catalog.add_policy"):
        raise PermissionDenied
    form = CopyForm(request.POST or None, initial={"source": request.GET.get("from", "")})
    if request.method == "POST" and form.is_valid():
        try:
            source = form.cleaned_data["source"]
            made = policy_copy(actor=request.user, policy=source, name=form.cleaned_data["name"])
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"The policy {made.name} is made. No instance has it yet.")
            return redirect("policy_edit", name=made.name)
    return render(request, "catalog/policy_add.html", {"form": form}, status=400 if form.errors else 200)


@form_page
def edit(request: Request, name: str) -> HttpResponse:
    """`preview` in the form shows the next runs of what is typed, and saves nothing."""
    found = policy_get(user=request.user, name=name)
    if not request.user.has_perm("catalog.change_policy"):
        raise PermissionDenied
    form = PolicyForm(request.POST or None, initial=initial_of_policy(found))
    coming: list[PlannedRun] | None = None
    if request.method == "POST" and form.is_valid():
        if "preview" in request.POST:
            coming = _previewed(found, form)
        else:
            saved = _saved(request, found, form)
            if saved is not None:
                return saved
    context = {
        "form": form, "policy": found, "coming": noted(coming) if coming is not None else None,
        "zone": form["timezone"].value(),
    }  # fmt: skip
    return render(request, "catalog/policy_form.html", context, status=400 if form.errors else 200)


def _previewed(found: Policy, form: PolicyForm) -> list[PlannedRun] | None:
    """None when what is typed makes no policy; the form then says why."""
    candidate = Policy.objects.get(pk=found.pk)
    try:
        for name, value in policy_input.cleaned(form.values()).items():
            setattr(candidate, name, value)
        return preview(candidate)
    except InvalidInput as error:
        show_refusal(form, error)
        return None


def _saved(request: Request, found: Policy, form: PolicyForm) -> HttpResponse | None:
    """None when it was refused."""
    try:
        changed = policy_update(
            actor=request.user, policy=found, reason=form.cleaned_data["reason"], **form.values()
        )
    except InvalidInput as error:
        show_refusal(form, error)
        return None
    except ForeseenError as error:
        return _to_second_person(request, error)
    messages.success(request, "The policy is saved. New times hold from now on.")
    return redirect("policy", name=changed.name)


def _to_second_person(request: Request, error: ForeseenError) -> HttpResponse:
    raise_as_response(error)
    if error.code != "policy.second_person":
        raise error
    messages.warning(request, f"{error.message} {error.action}")
    return redirect("changes")


@action
def remove(request: Request, name: str) -> HttpResponse:
    policy_remove(actor=request.user, policy=policy_get(user=request.user, name=name))
    messages.success(request, f"The policy {name} is removed.")
    return redirect("policies")


@action
def blackout(request: Request, name: str) -> HttpResponse:
    found, form = policy_get(user=request.user, name=name), BlackoutForm(request.POST)
    if form.is_valid():
        try:
            blackout_add(actor=request.user, policy=found, **form.values(found.timezone))
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, "Nothing begins in that time any more.")
            return redirect("policy", name=name)
    detail = policy_detail(user=request.user, name=name)
    return render(request, "catalog/policy.html", _detail(request, detail, form), status=400)


@action
def blackout_end(request: Request, name: str) -> HttpResponse:
    key = request.POST.get("blackout", "")
    rows = policy_get(user=request.user, name=name).blackouts
    row = rows.filter(pk=int(key)).first() if key.isdecimal() else None
    if row is None:
        raise Http404("There is no such blackout.")
    blackout_remove(actor=request.user, blackout=row)
    messages.success(request, "The blackout is removed.")
    return redirect("policy", name=name)


@form_page
def of_instance(request: Request, name: str) -> HttpResponse:
    """What its policy does next and did, and the form that gives it another one."""
    instance = instance_get(user=request.user, name=name)
    may_change = may(user=request.user, permission="catalog.change_instance", instance=instance)
    form: HouseForm = AssignForm(
        request.POST or None, initial={"policy": instance.policy.name if instance.policy else ""}
    )
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if form.is_valid():
            try:
                policy_assign(actor=request.user, instance=instance, **form.cleaned_data)
            except InvalidInput as error:
                show_refusal(form, error)
            except ForeseenError as error:
                return _to_second_person(request, error)
            else:
                messages.success(request, f"{name} is protected as its policy says, from now on.")
                return redirect("instance_policy", name=name)
    schedule = instance_schedule(user=request.user, name=name)
    context = {
        "schedule": schedule, "instance": instance, "policy": schedule.policy, "form": form,
        "coming": noted(schedule.coming), "may_change": may_change, **_advice(request, name),
    }  # fmt: skip
    return render(request, "catalog/instance_policy.html", context, status=400 if form.errors else 200)


def _advice(request: Request, name: str) -> dict[str, Any]:
    """The adviser's answer, or why it has none yet."""
    try:
        return {"advice": advice(user=request.user, name=name)}
    except InvalidInput as error:
        return {"no_advice": error.message}
