"""What every decision about a restore has in common: a person, a fresh proof, a clock that was not
moved, and the plan that was shown.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Max

from catalog.services.access import Actor, came_by_token
from catalog.services.change_request import payload_hash
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import AuditEvent
from dataprotect.ops.step_up import require_fresh
from restores.models import RestoreRequest
from restores.states import RestoreState

_BEHIND = timedelta(seconds=60)
"""How far the audit chain may be ahead of our clock: servers of one installation differ a little."""


def person(actor: Actor, fresh_at: datetime | None) -> User:
    """The person who decides, read anew. Raises `approval.not_a_person`, `access.step_up`, `clock.behind`."""
    if not isinstance(actor, User) or came_by_token(actor):
        raise ForeseenError(
            "approval.not_a_person",
            "A decision about a restore is made by a person who is signed in, never by a token or terminal.",
            "Sign in to the dashboard and decide there.",
        )
    found = User.objects.filter(pk=actor.pk, is_active=True).first()
    if found is None:
        raise ForeseenError(
            "access.denied", "This account is switched off.", "Ask an administrator to switch it on."
        )
    require_fresh(fresh_at=fresh_at)
    require_steady_clock()
    return found


def require_steady_clock() -> None:
    """An approval that expired stays expired: a clock that stands before an audit event was put back. Looked
    for is the latest instant there is, not the last event: that one may have been written by the wrong clock.
    """
    newest = AuditEvent.objects.aggregate(newest=Max("at"))["newest"]
    if newest is not None and newest - clock.now() > _BEHIND:
        raise ForeseenError(
            "clock.behind",
            f"This machine's clock says {clock.iso(clock.now())}, and the audit chain has an event of "
            f"{clock.iso(newest)}.",
            "Set the clock right. Until then nothing is approved, started or rolled back.",
        )


def locked(request: RestoreRequest, shown_hash: str) -> RestoreRequest:
    """The row for update, awaiting approval, with exactly the plan that was shown.

    Raises `approval.not_open`, `approval.plan_changed`, `approval.expired`.
    """
    row = (
        RestoreRequest.objects.select_for_update(of=("self",))
        .select_related("instance", "target_instance", "policy")
        .get(pk=request.pk)
    )
    if row.state != RestoreState.AWAITING:
        raise ForeseenError(
            "approval.not_open",
            f"The restore {row.restore_id} is {row.get_state_display().lower()}: there is nothing to decide.",
            "Look at it again.",
        )
    if not row.plan_hash or shown_hash != row.plan_hash or payload_hash(row.plan) != row.plan_hash:
        raise ForeseenError(
            "approval.plan_changed",
            f"The plan of {row.restore_id} is not the one that was shown.",
            "Read the plan as it is now, and decide about that.",
        )
    if row.approval_until is not None and clock.now() >= row.approval_until:
        raise ForeseenError(
            "approval.expired",
            f"The request {row.restore_id} lapsed at {clock.iso(row.approval_until)}.",
            "Submit it anew.",
        )
    return row
