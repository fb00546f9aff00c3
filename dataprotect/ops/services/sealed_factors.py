"""The secrets of second factors, which allauth keeps inside JSON: sealed like passwords, moved like them."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from dataprotect.ops import secrets

FACTOR_SECRET = secrets.aad("mfa", "authenticator", "secret")
"""What a seal is bound to. allauth seals before there is a row, so not to the row."""

_KEPT_IN = ("secret", "seed")


def factors_reseal() -> int:
    """Every one that an older key sealed, under the current one. Returns how many."""
    return sum(_move(key) for key in list(Authenticator.objects.values_list("pk", flat=True)))


@transaction.atomic
def _move(key: int) -> bool:
    row = Authenticator.objects.select_for_update().filter(pk=key).first()
    old = {name: row.data[name] for name in _KEPT_IN if name in row.data} if row is not None else {}
    stale = {name: sealed for name, sealed in old.items() if secrets.needs_reseal(sealed)}
    if row is None or not stale:
        return False
    moved = {name: secrets.reseal(sealed, FACTOR_SECRET) for name, sealed in stale.items()}
    Authenticator.objects.filter(pk=key).update(data=row.data | moved)
    return True
