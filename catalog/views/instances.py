"""The list of instances, and one instance."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from catalog.filters import InstanceFilter
from catalog.selectors import instance_detail, instance_list, may
from catalog.selectors.repositories import repository_list
from catalog.tables import InstanceTable
from catalog.views.recovery import timeline_context
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, page

NEWEST = 5


@page
def instances(request: Request) -> HttpResponse:
    context = listing(request, instance_list(user=request.user), InstanceFilter, InstanceTable, "Instances")
    context |= {
        "title": "Instances",
        "nothing_matches": "No instance matches this filter.",
        "may_add": may(user=request.user, permission="catalog.add_instance"),
        "has_repository": context["exists"] or repository_list(user=request.user).exists(),
    }
    return render(request, "catalog/instances.html", context)


@page
def instance(request: Request, name: str) -> HttpResponse:
    detail = instance_detail(user=request.user, name=name)
    running = [job for job in detail.jobs if not job.is_terminal]
    context = {"detail": detail, "instance": detail.instance, "row": detail.row, "running": running}
    context |= timeline_context(request, detail.instance, rows=NEWEST)
    return render(request, "catalog/instance.html", context)
