"""Settings and health: workers, queue, version, emergency stop."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from dataprotect import __version__
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import selectors
from dataprotect.ops.forms import LiftForm, RaiseForm
from dataprotect.ops.models import StopSwitch
from dataprotect.ops.services.stop import stop_lift, stop_raise
from dataprotect.ops.views.page import Request, form_page, page


@page
def health(request: Request) -> HttpResponse:
    context = {
        "queue": selectors.queue_health(),
        "workers": selectors.live_workers(),
        "version": __version__,
        "settings_shown": _settings(),
        "may_raise": request.user.has_perm("ops.raise_stop"),
        "may_lift": request.user.has_perm("ops.lift_stop"),
        "stops": StopSwitch.objects.order_by("-raised_at")[:5],
    }
    return render(request, "ops/health.html", context)


def _settings() -> list[tuple[str, object]]:
    """What an operator asks for first. Nothing secret is among them."""
    return [
        ("Home", settings.DATAPROTECT_HOME),
        ("Catalog database", settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]),
        ("Queue", "Redis" if "redis" in settings.Q_CLUSTER else "the catalog database"),
        ("Worker processes here", settings.WORKERS),
        ("Lease of a job", f"{settings.JOB_LEASE_SECONDS} s"),
        ("Emergency stop file", settings.EMERGENCY_STOP_FILE),
        ("Time zone of the installation", settings.TIME_ZONE),
    ]


@form_page
def stop_raise_page(request: Request) -> HttpResponse:
    if not request.user.has_perm("ops.raise_stop"):
        raise PermissionDenied
    form = RaiseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        stop_raise(actor=request.user, reason=form.cleaned_data["reason"])
        messages.warning(request, "The emergency stop is active. Running work ends at its next safe point.")
        return redirect("health")
    return render(request, "ops/stop_raise.html", {"form": form}, status=400 if form.errors else 200)


@form_page
def stop_lift_page(request: Request) -> HttpResponse:
    if not request.user.has_perm("ops.lift_stop"):
        raise PermissionDenied
    form = LiftForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            stop_lift(actor=request.user, root_cause=form.cleaned_data["root_cause"])
        except ForeseenError as error:
            form.add_error(None, f"{error.message} {error.action}")
        else:
            messages.success(request, "The emergency stop is lifted. Work may start again.")
            return redirect("health")
    context = {"form": form, "stop": StopSwitch.objects.filter(active=True).first()}
    return render(request, "ops/stop_lift.html", context, status=400 if form.errors else 200)
