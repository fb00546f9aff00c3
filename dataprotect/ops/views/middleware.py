"""Activates the signed-in person's time zone and theme for the request, with one query, only when needed."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dataprotect.ops.models import Preference


class PreferenceMiddleware:
    """`request.preference` is the person's row, or an unsaved one with the defaults."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        preference = Preference.objects.filter(user_id=request.user.pk).first() or Preference()
        request.preference = preference  # type: ignore[attr-defined]
        with timezone.override(_zone(preference.time_zone)):
            return self.get_response(request)


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone called `name`; None (the installation's) when empty or no longer known to this machine."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return None
