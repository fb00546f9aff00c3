"""Settings and health: workers, queue, version, emergency stop."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    return render(request, "ops/health.html", {})
