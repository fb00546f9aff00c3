"""The first screen: am I safe?"""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    verdict = {
        "tone": "idle",
        "icon": "none",
        "sentence": "Nothing is protected yet.",
        "detail": "Take three steps.",
    }
    return render(request, "catalog/overview.html", {"verdict": verdict})
