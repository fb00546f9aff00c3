"""What allauth's pages of second factors need around them."""

from __future__ import annotations

import functools
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from dataprotect.ops.views.page import Request, View, page


def whole(view: View) -> View:
    """A POST in one transaction: the change and its audit event stand or fall together."""

    @functools.wraps(view)
    def answered(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return view(request, **kwargs)
        with transaction.atomic():
            return view(request, **kwargs)

    return answered


@page
@never_cache
def totp_picture(request: Request) -> HttpResponse:
    """The secret that is being set up, as a QR code: an image of ours, as the policy of contents wants it."""
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404("No app is being set up.")
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return HttpResponse(picture, content_type="image/svg+xml")
