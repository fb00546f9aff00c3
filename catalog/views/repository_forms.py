"""Adding and checking a repository; rotating the key-encryption key."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import RepositoryForm, RotateForm, show_refusal
from catalog.forms.repositories import LimitsForm, limits_of
from catalog.models import Backup, Repository
from catalog.selectors import key_list, may, repository_get, repository_list
from catalog.services.repository_add import repository_add
from catalog.services.repository_check import repository_check_start
from catalog.services.repository_update import repository_update
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.views.page import Request, action, form_page, raise_as_response


@form_page
def add(request: Request) -> HttpResponse:
    if not may(user=request.user, permission="catalog.add_repository"):
        raise PermissionDenied
    form = RepositoryForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _added(request, form):
        messages.success(request, f"The repository {form.cleaned_data['name']} is ready to take backups.")
        return redirect("repository", name=form.cleaned_data["name"])
    return render(request, "catalog/repository_form.html", {"form": form}, status=400 if form.errors else 200)


def _added(request: Request, form: RepositoryForm) -> bool:
    """False when it was refused; the form then says why."""
    try:
        repository_add(actor=request.user, **form.cleaned_data)
    except InvalidInput as error:
        show_refusal(form, error)
        return False
    except ForeseenError as error:
        raise_as_response(error)
        form.add_error("url", f"{error.message} {error.action}")
        return False
    return True


@form_page
def edit(request: Request, name: str) -> HttpResponse:
    found = repository_get(user=request.user, name=name)
    if not may(user=request.user, permission="catalog.change_repository"):
        raise PermissionDenied
    form = LimitsForm(request.POST or None, initial=limits_of(found))
    if request.method == "POST" and form.is_valid() and _changed(request, found, form):
        messages.success(request, "The limits hold for what starts from now on.")
        return redirect("repository", name=name)
    context = {"form": form, "repository": found}
    return render(request, "catalog/repository_limits.html", context, status=400 if form.errors else 200)


def _changed(request: Request, repository: Repository, form: LimitsForm) -> bool:
    """False when it was refused; the form then says why."""
    try:
        repository_update(actor=request.user, repository=repository, **form.values())
    except InvalidInput as error:
        show_refusal(form, error)
        return False
    return True


@action
def check(request: Request, name: str) -> HttpResponse:
    found = repository_get(user=request.user, name=name)
    job = repository_check_start(actor=request.user, repository=found)
    return redirect("job", key=job.pk)


@form_page
def rotate(request: Request) -> HttpResponse:
    if not may(user=request.user, permission="catalog.rotate_encryptionkey"):
        raise PermissionDenied
    current = key_list(user=request.user).filter(is_current=True).first()
    if current is None:
        messages.error(request, "There is no key yet. It is made with the first repository.")
        return redirect("repositories")
    form = RotateForm(request.POST or None, current=current.key_id)
    if request.method == "POST" and form.is_valid():
        return _rotated(request)
    context = {
        "form": form,
        "current": current,
        "repositories": repository_list(user=request.user),
        "backup_count": Backup.objects.count(),
    }
    return render(request, "catalog/key_rotate.html", context, status=400 if form.errors else 200)


def _rotated(request: Request) -> HttpResponse:
    from catalog.services.key_rotate import key_rotate_start

    job = key_rotate_start(actor=request.user)
    return redirect("job", key=job.pk)
