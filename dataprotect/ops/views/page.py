"""The two kinds of view: a page is read with GET, an action is sent with POST. Both need a signed-in person.

A foreseen failure becomes what a browser understands: not found, not allowed, or its sentence on the page one
came from. The words come from the error; nothing is decided here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import Preference

View = Callable[..., HttpResponse]


class Request(HttpRequest):
    """What a view behind `page`, `form_page` or `action` gets: somebody is signed in, and active."""

    user: User
    htmx: HtmxDetails
    preference: Preference


def page(view: View) -> View:
    """GET and HEAD only."""
    return _signed_in(require_safe(_answered(view)))


def form_page(view: View) -> View:
    """GET shows the form, POST sends it."""
    return _signed_in(require_http_methods(["GET", "HEAD", "POST"])(_answered(view)))


def action(view: View) -> View:
    """POST only. A foreseen failure is told on the page the person came from."""

    @functools.wraps(view)
    def told(request: HttpRequest, **kwargs: object) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except ForeseenError as error:
            raise_as_response(error)
            messages.error(request, f"{error.message} {error.action}")
            return redirect(came_from(request))

    return _signed_in(require_POST(told))


def _signed_in(view: View) -> View:
    """To the sign-in page otherwise. A part of a page that asks in the background has its page do that."""
    checked = login_required(view)

    @functools.wraps(view)
    def answered(request: HttpRequest, **kwargs: object) -> HttpResponse:
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return checked(request, **kwargs)

    return answered


def raise_as_response(error: ForeseenError) -> None:
    """404 and 403 where the error means that; otherwise returns."""
    if error.code.endswith(".not_found"):
        raise Http404(error.message) from error
    if error.code.endswith((".denied", ".not_allowed")):
        raise PermissionDenied(error.message) from error


def came_from(request: HttpRequest) -> str:
    """The page the form was on, if it is one of ours; else the overview."""
    address = request.headers.get("referer", "")
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours else "/"


def _answered(view: View) -> View:
    @functools.wraps(view)
    def answered(request: HttpRequest, **kwargs: object) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except ForeseenError as error:
            raise_as_response(error)
            raise

    return answered
