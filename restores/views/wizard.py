"""Asking for a restore: one address a step, the draft saved at each, nothing done before it is signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms.instances import show_refusal
from catalog.models import InstanceDatabase
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.views.page import Request, action, form_page, page
from restores.forms import SourceForm, SubmitForm, TargetForm
from restores.models import RestoreRequest
from restores.selectors.requests import instances_restorable, request_detail, request_get
from restores.services.plan_words import what_changes
from restores.services.preflight import preflight
from restores.services.request_draft import (
    Wish,
    from_elsewhere,
    may_change,
    restore_draft,
    restore_edit,
    target_of,
    wish_of,
)
from restores.services.request_plan import plan_freeze
from restores.services.request_submit import restore_submit
from restores.services.safeguards import answers_demanded, name_to_type
from restores.services.table_compare import chosen_rows, compare_start, comparison_of
from restores.states import Scope, TableMode


@form_page
def new(request: Request) -> HttpResponse:
    """Step 1. From the timeline, instance and instant come along in the address."""
    given = request.POST if request.method == "POST" else None
    initial = {name: request.GET.get(name, "") for name in ("instance", "at", "backup", "scope")}
    form = SourceForm(given, instances=instances_restorable(user=request.user), initial=initial)
    if given is not None and form.is_valid():
        try:
            wish = Wish(
                scope=form.cleaned_data["scope"],
                recovery_target=form.target(),
                backup=form.chosen_backup(),
            )
            row = restore_draft(actor=request.user, instance=form.cleaned_data["instance"], wish=wish)
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            return _after_source(row)
    return render(request, "restores/new.html", {"form": form})


@form_page
def source(request: Request, restore_id: str) -> HttpResponse:
    """Step 1 once more: another instant, another backup, another scope. The instance stays."""
    row = _changeable(request, restore_id)
    given = request.POST if request.method == "POST" else None
    instances = instances_restorable(user=request.user).filter(pk=row.instance_id)
    form = SourceForm(given, instances=instances, initial=_source_of(row))
    if given is not None and form.is_valid():
        try:
            wish = from_elsewhere(
                wish_of(row),
                scope=form.cleaned_data["scope"],
                recovery_target=form.target(),
                backup=form.chosen_backup(),
            )
            row = restore_edit(actor=request.user, request=row, wish=wish)
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            return _after_source(row)
    return render(request, "restores/new.html", {"form": form, "row": row})


def _after_source(row: RestoreRequest) -> HttpResponse:
    """A test restore has no target to choose."""
    step = "restore_plan" if row.scope == Scope.TEST else "restore_target"
    return redirect(step, restore_id=row.restore_id)


def _source_of(row: RestoreRequest) -> dict[str, str]:
    """What the form can say of it: an LSN or a restore point, given by command or API, is not typed here."""
    target = target_of(row)
    at = "latest" if target is not None and target.kind == "latest" else ""
    if target is not None and target.at is not None:
        at = target.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    backup = row.backup.backup_id if row.backup and target is None else ""
    return {"instance": row.instance.name, "at": at, "backup": backup, "scope": row.scope}


@form_page
def target(request: Request, restore_id: str) -> HttpResponse:
    """Step 2: onto which server, which databases, which tables and how."""
    row = _changeable(request, restore_id)
    given = request.POST if request.method == "POST" else None
    form = TargetForm(
        given, instances=instances_restorable(user=request.user), scope=row.scope, initial=_initial(row)
    )
    if given is not None and form.is_valid():
        try:
            restore_edit(actor=request.user, request=row, wish=_wish(row, form))
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            return redirect("restore_plan", restore_id=restore_id)
    known = InstanceDatabase.objects.filter(instance=row.instance).order_by("name")
    return render(request, "restores/target.html", {"row": row, "form": form, "known": known[:200]})


def _initial(row: RestoreRequest) -> dict[str, Any]:
    return {
        "target_instance": row.target_instance.name if row.target_instance else "",
        "databases": "\n".join(row.databases),
        "tables": "\n".join(".".join(each) for each in row.tables),
        "table_mode": row.table_mode,
        "triggers": row.options.get("triggers", "disabled"),
    }


def _wish(row: RestoreRequest, form: TargetForm) -> Wish:
    data = form.cleaned_data
    options = dict(row.options)
    if "triggers" in data:
        options["triggers"] = data["triggers"] or "disabled"
    return replace(
        wish_of(row),
        target_instance=data["target_instance"],
        databases=data.get("databases", []),
        tables=data.get("tables", []),
        table_mode=data.get("table_mode", ""),
        options=options,
    )


@page
def plan(request: Request, restore_id: str) -> HttpResponse:
    """Step 3: everything that would fail later, and what would be done, by whom signed. Nothing is frozen."""
    detail = request_detail(user=request.user, restore_id=restore_id, now=clock.now())
    row = detail.row
    checks = preflight(request=row)
    context: dict[str, Any] = {"row": row, "detail": detail, "checks": checks, "plan": None}
    context["would_fail"] = any(check.passed is False for check in checks)
    try:
        context["plan"], _, _ = plan_freeze(request=row)
    except ForeseenError as error:
        context["refusal"] = error
    if row.scope == Scope.TABLE and detail.sees_rows:
        context["comparison"] = comparison_of(row)
    return render(request, "restores/plan.html", context)


@action
def compare(request: Request, restore_id: str) -> HttpResponse:
    """The clone's rows beside the live table's; as a job, because a clone takes its time."""
    row = request_get(user=request.user, restore_id=restore_id)
    job = compare_start(actor=request.user, request=row)
    messages.success(request, "A clone is brought up and compared. Come back to the plan when it is done.")
    return redirect("job", key=job.pk)


@action
def choose(request: Request, restore_id: str) -> HttpResponse:
    """Only the rows that were marked in the comparison are put back."""
    row = _changeable(request, restore_id)
    rows = chosen_rows(row, request.POST.getlist("row"))
    wish = replace(wish_of(row), table_mode=TableMode.ROWS, options={**row.options, "rows": rows})
    restore_edit(actor=request.user, request=row, wish=wish)
    count = sum(len(keys) for keys in rows.values())
    messages.success(request, f"{count} chosen: exactly these rows are put back.")
    return redirect("restore_plan", restore_id=restore_id)


@form_page
def submit(request: Request, restore_id: str) -> HttpResponse:
    """Step 4: ticket, window, reason, and the typed name. What is sent is frozen and signed."""
    row = _changeable(request, restore_id)
    name = "" if row.scope == Scope.TEST else name_to_type(row)
    given = request.POST if request.method == "POST" else None
    initial = {"reason": row.reason, "ticket": row.ticket}
    initial |= {"window_start": row.window_start, "window_end": row.window_end}  # type: ignore[dict-item]
    form = SubmitForm(given, name=name, demanded=answers_demanded(request=row), initial=initial)
    refusal: ForeseenError | None = None
    if given is not None and form.is_valid():
        data = form.cleaned_data
        wish = replace(
            wish_of(row), reason=data["reason"], ticket=data["ticket"],
            window_start=data["window_start"], window_end=data["window_end"],
        )  # fmt: skip
        try:
            row = restore_edit(actor=request.user, request=row, wish=wish)
            typed = data.get("typed_target", "")
            restore_submit(actor=request.user, request=row, typed_target=typed)
        except InvalidInput as error:
            show_refusal(form, error)
        except ForeseenError as error:
            refusal = error
        else:
            messages.success(request, "It is submitted. Its plan is frozen.")
            return redirect("restore", restore_id=restore_id)
    context = {"row": row, "form": form, "name": name, "refusal": refusal, "changes": what_changes(row)}
    return render(request, "restores/submit.html", context)


def _changeable(request: Request, restore_id: str) -> RestoreRequest:
    row = request_get(user=request.user, restore_id=restore_id)
    may_change(request.user, row)
    return row
