"""Step-up: what is dangerous is done by whoever proved within the last minutes that it is still them.

A proof is a password or a second factor, at signing in or when asked again. The session keeps when; a token
keeps nothing, so whoever comes by token is never fresh. Services that need it take `fresh_at` and call
`require_fresh`, so that no door can leave it out; a door passes on what `fresh_at(request)` says.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError

_SKEW = timedelta(seconds=5)
"""How much later another web server's clock may be. A proof from further ahead is one of a moved clock."""


def fresh_at(request: HttpRequest) -> datetime | None:
    """When the signed-in person last gave a password or a second factor in this session, or None.

    A request that names a token is the token's, whatever session its cookies belong to.
    """
    user = request.user
    if "Authorization" in request.headers or not isinstance(user, User):
        return None
    instants = [record.get("at") for record in get_authentication_records(request, user)]
    known = [instant for instant in instants if isinstance(instant, (int, float))]
    return datetime.fromtimestamp(max(known), UTC) if known else None


def is_fresh(fresh_at: datetime | None) -> bool:
    """Within the last STEP_UP_SECONDS."""
    if fresh_at is None:
        return False
    age = clock.now() - fresh_at
    return -_SKEW <= age < timedelta(seconds=settings.STEP_UP_SECONDS)


def require_fresh(*, fresh_at: datetime | None) -> None:
    """Raises ForeseenError `access.step_up` unless the person proved who they are just now."""
    if is_fresh(fresh_at):
        return
    raise ForeseenError(
        "access.step_up",
        f"This takes a password or a second factor given within the last {_minutes()}.",
        "Confirm in the dashboard that it is you, and send it again; a token cannot.",
    )


def _minutes() -> str:
    seconds = int(settings.STEP_UP_SECONDS)
    return f"{seconds // 60} minutes" if seconds >= 120 and not seconds % 60 else f"{seconds} seconds"
