"""One's own account; and for DBA Leads who has which role, by whose doing."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms.people import RoleForm
from catalog.selectors.people import people_list, person_get, person_row
from catalog.selectors.roles import counting_roles
from catalog.services.role_grant import role_grant, role_revoke
from dataprotect.core import clock
from dataprotect.ops.step_up import fresh_at, require_fresh
from dataprotect.ops.views.kept_words import words_kept
from dataprotect.ops.views.page import Request, action, form_page, page


@page
def account(request: Request) -> HttpResponse:
    return render(request, "catalog/account.html", {"row": person_row(user=request.user)})


@page
def people(request: Request) -> HttpResponse:
    _may_look(request)
    return render(request, "catalog/people.html", {"rows": people_list()})


@form_page
def give(request: Request) -> HttpResponse:
    """Asks for the proof before anything is chosen."""
    if not request.user.has_perm("catalog.grant_role"):
        raise PermissionDenied
    require_fresh(fresh_at=fresh_at(request))
    initial = {"person": request.GET.get("person")} | words_kept(request)
    form = RoleForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        return _given(request, form)
    return render(request, "catalog/role_give.html", {"form": form}, status=400 if form.errors else 200)


def _given(request: Request, form: RoleForm) -> HttpResponse:
    person, role = form.cleaned_data["person"], form.cleaned_data["role"]
    role_grant(actor=request.user, user=person, role=role, fresh_at=fresh_at(request))
    waits = role not in counting_roles(user=person, at=clock.now())
    later = " It counts for approvals from tomorrow on, because you gave it to yourself." if waits else ""
    messages.success(request, f"{person} is {role} now.{later}")
    return redirect("people")


@action
def take(request: Request, name: str) -> HttpResponse:
    person, role = person_get(name=name), request.POST.get("role", "")
    role_revoke(actor=request.user, user=person, role=role, fresh_at=fresh_at(request))
    messages.success(request, f"{person} is not {role} any more.")
    return redirect("people")


def _may_look(request: Request) -> None:
    if not request.user.has_perm("catalog.view_rolegrant"):
        raise PermissionDenied
