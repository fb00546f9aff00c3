"""Who is asking: the owner of a bearer token, or whoever is signed in (with the CSRF token of the page)."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.utils import check_csrf

from catalog.services.token import token_owner
from dataprotect.core.errors import ForeseenError

_BEARER = "bearer "


def authenticate(request: HttpRequest) -> User | None:
    """None answers 401. A request with an Authorization header never falls back to the session's cookie."""
    header = request.headers.get("Authorization", "")
    if header:
        return token_owner(header[len(_BEARER) :].strip()) if header.lower().startswith(_BEARER) else None
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    if check_csrf(request) is not None:
        raise ForeseenError(
            "access.csrf",
            "The request came without this session's CSRF token.",
            "Send the header X-CSRFToken, or use a bearer token.",
        )
    return user


def asker(request: HttpRequest) -> User:
    """Whom `authenticate` let in."""
    user: User = request.auth  # type: ignore[attr-defined]
    return user
