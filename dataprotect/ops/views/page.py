"""The two kinds of view: a page is read with GET, an action is sent with POST. Both need a signed-in person.

A foreseen failure becomes what a browser understands: not found, not allowed, or its sentence on the page one
came from. The words come from the error; nothing is decided here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
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
from dataprotect.ops.step_up import fresh_at, require_fresh
from dataprotect.ops.views.kept_words import words_forget, words_keep

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
            answer = view(request, **kwargs)
        except ForeseenError as error:
            if error.code == "access.step_up":
                return prove_first(request)
            raise_as_response(error)
            messages.error(request, f"{error.message} {error.action}")
            return redirect(came_from(request))
        words_forget(request)
        return answer

    return _signed_in(require_POST(told))


def stepped_up(view: View) -> View:
    """Below `page`, `form_page` or `action`: whoever has not proved who they are just now does it first.

    On the page of a form this asks before anything is typed; the service behind it asks again all the same.
    """

    @functools.wraps(view)
    def asked(request: HttpRequest, **kwargs: object) -> HttpResponse:
        require_fresh(fresh_at=fresh_at(request))
        return view(request, **kwargs)

    return asked


def prove_first(request: HttpRequest) -> HttpResponse:
    """To the page that asks for a password or a second factor, and from there back to the page of the form.

    What was posted is never sent again by itself: the words stand in the form again (`kept_words`), and the
    person looks at it anew and presses again.
    """
    back = request.get_full_path() if request.method in ("GET", "HEAD") else came_from(request)
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    if not methods:
        raise PermissionDenied("You have neither a password nor a second factor to prove who you are.")
    if request.method == "POST":
        words_keep(request)
        messages.info(request, "Confirm that it is you, then send the form again: nothing was done yet.")
    return redirect(f"{methods[0]['url']}?{urlencode({'next': back})}")


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
            answer = view(request, **kwargs)
        except ForeseenError as error:
            if error.code == "access.step_up":
                return prove_first(request)
            raise_as_response(error)
            raise
        if request.method == "POST":
            words_forget(request)
        return answer

    return answered
