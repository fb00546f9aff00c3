"""The person's time zone and theme for the request; and the way to a fresh proof where a page takes one."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from allauth.core.exceptions import ReauthenticationRequired
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dataprotect.ops.models import Preference
from dataprotect.ops.views.page import prove_first


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


class ProveFirstMiddleware:
    """allauth's own pages ask for a fresh proof by an exception. Its middleware would keep what was posted in
    the session and send it again after the proof; this one, nearer to the view, sends nothing twice.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ReauthenticationRequired):
            return None
        return prove_first(request) if request.user.is_authenticated else redirect_to_login(request.path)
