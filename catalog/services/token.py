"""Bearer tokens of the API."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from catalog.models import ApiToken
from catalog.services.access import Actor, mark_by_token
from catalog.services.cleaning import save_clean
from dataprotect.core import clock, validation
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.services.audit import audit_record

_PREFIX = "dp_"
_SHOWN = 9
_USED_AT_MOST_EVERY = timedelta(minutes=1)


@transaction.atomic
def token_create(
    *, actor: Actor, owner: User, name: str, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """The row, and the token itself: this is the only moment it exists. It acts as its owner.

    Raises `access.denied` when somebody else than the owner or a superuser asks.
    """
    _own_or_superuser(actor, owner)
    if expires_at is not None and expires_at <= clock.now():
        raise InvalidInput("expires_at", "Expected an instant in the future for the end of the token.")
    text = _PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(
        name=validation.instance_name(name),
        owner=owner,
        prefix=text[:_SHOWN],
        digest=_digest(text),
        expires_at=expires_at,
    )
    save_clean(row)
    data = {"name": row.name, "owner": owner.get_username(), "prefix": row.prefix}
    audit_record(actor=actor, verb="token.created", subject=row, data=data)
    return row, text


@transaction.atomic
def token_revoke(*, actor: Actor, token: ApiToken) -> None:
    """Twice is once."""
    _own_or_superuser(actor, token.owner)
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now()):
        audit_record(actor=actor, verb="token.revoked", subject=token, data={"name": token.name})


def token_owner(text: str) -> User | None:
    """Whose token this is, when it is good now. Its digest is looked up: there is nothing to time."""
    now = clock.now()
    good = Q(expires_at=None) | Q(expires_at__gt=now)
    row = (
        ApiToken.objects.select_related("owner")
        .filter(good, digest=_digest(text), revoked_at=None, owner__is_active=True)
        .first()
    )
    if row is None:
        return None
    if row.last_used_at is None or now - row.last_used_at > _USED_AT_MOST_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)
    mark_by_token(row.owner)
    return row.owner


def _digest(text: str) -> str:
    """A token has 256 random bits: a slow hash would add nothing but slowness."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _own_or_superuser(actor: Actor, owner: User) -> None:
    if isinstance(actor, str) or actor.pk == owner.pk or actor.is_superuser:
        return
    raise ForeseenError(
        "access.denied",
        "You may not handle the tokens of somebody else.",
        "Ask the owner or an administrator.",
    )
