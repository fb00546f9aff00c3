"""What happens around signing in, in the audit chain. Failures are summed: no guesser fills the chain."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction

from dataprotect.ops.services.audit import Actor, audit_record

WINDOW_SECONDS = 300
TOLD_AT = (1, 5)
"""Of the failures within the window: the first, and the one after which nothing more is tried."""


@transaction.atomic
def sign_in_recorded(*, user: User, verb: str, data: Mapping[str, object]) -> None:
    audit_record(actor=user, verb=verb, subject=f"user:{user.pk}", data=data)


def sign_in_failed(*, name: str, address: str, step: str) -> None:
    """`step` is `password` or `second factor`. A name that is nobody's is not kept: it may be a password."""
    user = User.objects.filter(username=name).first()
    who = f"user:{user.pk}" if user is not None else f"address:{address}"
    key = f"sign-in-failed:{step}:{who}".replace(" ", "-")
    failures = 1 if cache.add(key, 1, WINDOW_SECONDS) else cache.incr(key)
    if failures in TOLD_AT:
        _tell(user, address, step, failures)


@transaction.atomic
def _tell(user: User | None, address: str, step: str, failures: int) -> None:
    actor: Actor = "unknown"
    data = {"address": address, "step": step, "failures": failures, "within_seconds": WINDOW_SECONDS}
    subject = f"user:{user.pk}" if user is not None else ""
    known = {"name": user.get_username()} if user is not None else {}
    audit_record(actor=actor, verb="user.sign_in_failed", subject=subject, data=data | known)
