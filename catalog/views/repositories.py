"""Repositories and keys."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from catalog.selectors import instances_visible, key_list, may, repository_get, repository_list
from catalog.tables import RepositoryTable
from dataprotect.ops.views.page import Request, page


@page
def repositories(request: Request) -> HttpResponse:
    rows = repository_list(user=request.user)
    table = RepositoryTable(rows, order_by=request.GET.get("sort", "name"))
    table.label = "Repositories"
    context = {
        "table": table,
        "exists": len(table.rows) > 0,
        "keys": key_list(user=request.user),
        "may_add": may(user=request.user, permission="catalog.add_repository"),
        "may_rotate": may(user=request.user, permission="catalog.rotate_encryptionkey"),
    }
    return render(request, "catalog/repositories.html", context)


@page
def repository(request: Request, name: str) -> HttpResponse:
    found = repository_get(user=request.user, name=name)
    context = {
        "repository": found,
        "instances": instances_visible(user=request.user).filter(repository=found).order_by("name")[:50],
        "may_check": may(user=request.user, permission="catalog.check_repository"),
        "may_change": may(user=request.user, permission="catalog.change_repository"),
    }
    return render(request, "catalog/repository.html", context)
