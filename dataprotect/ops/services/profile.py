"""Choosing the operating profile: what this installation demands before it does something dangerous."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.ops.models import ProfileChoice
from dataprotect.ops.operating_profile import OperatingProfile
from dataprotect.ops.selectors import operating_profile
from dataprotect.ops.services.audit import Actor, actor_name, audit_record
from dataprotect.ops.step_up import require_fresh


@transaction.atomic
def profile_choose(*, actor: Actor, profile: str, fresh_at: datetime | None = None) -> ProfileChoice:
    """Raises `access.denied`, `access.step_up`, `input.profile`. A looser one stands after 24 hours."""
    if isinstance(actor, AbstractUser):
        _may(actor)
        require_fresh(fresh_at=fresh_at)
    if profile not in list(OperatingProfile):
        raise InvalidInput("profile", f"Expected one of {', '.join(OperatingProfile)}.")
    choice = ProfileChoice.objects.create(profile=profile, chosen_at=clock.now(), chosen_by=actor_name(actor))
    data = {"profile": profile, "stands": str(operating_profile())}
    audit_record(actor=actor, verb="profile.chosen", subject=choice, data=data)
    return choice


def _may(actor: AbstractUser) -> None:
    if not (actor.is_active and actor.has_perm("ops.choose_profile")):
        raise ForeseenError(
            "access.denied",
            "Choosing the operating profile takes a DBA Lead.",
            "Ask a DBA Lead to choose it.",
        )
