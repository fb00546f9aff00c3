"""Restore tests: the schedule, the results, and how long each took against the target."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from catalog.selectors import instance_get, sees_every_instance
from catalog.selectors.restore_tests import restore_tests as tests_done
from catalog.selectors.restore_tests import test_rows, tested_instances
from catalog.services.restore_test_start import restore_test_start
from dataprotect.core import clock
from dataprotect.ops.views.page import Request, action, page

PER_PAGE = 50
_RESULTS = 20


@page
def restore_tests(request: Request) -> HttpResponse:
    number = request.GET.get("page", "1")
    shown = Paginator(tested_instances(user=request.user), PER_PAGE).get_page(
        number if number.isdecimal() else 1
    )
    everything = sees_every_instance(user=request.user)
    context = {
        "page": shown,
        "rows": test_rows(list(shown.object_list), clock.now()),
        "results": list(tests_done(user=request.user)[:_RESULTS]),
        "may_test": request.user.has_perm("catalog.verify_instance") or not everything,
    }
    return render(request, "catalog/restore_tests.html", context)


@action
def start(request: Request, name: str) -> HttpResponse:
    instance = instance_get(user=request.user, name=name)
    return redirect("job", key=restore_test_start(actor=request.user, instance=instance).pk)
