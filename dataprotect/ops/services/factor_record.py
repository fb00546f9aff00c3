"""A second factor came or went: in the audit chain, in the transaction that made it so."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from dataprotect.ops.services.audit import Actor, audit_record


@transaction.atomic
def factor_changed(*, actor: Actor, factor: Authenticator, verb: str) -> None:
    data = {"type": str(factor.type), "name": str(factor.data.get("name", ""))[:100]}
    audit_record(actor=actor, verb=verb, subject=f"user:{factor.user_id}", data=data)
