"""Ends before anything was touched: taken back by a person, or lapsed by the clock."""

from __future__ import annotations

from django.db import transaction

from catalog.services.access import Actor
from dataprotect.core import clock
from dataprotect.ops.services.alert_resolve import alert_resolve
from dataprotect.ops.services.audit import actor_name
from restores.models import RestoreRequest
from restores.services.approval_give import waiting_key
from restores.services.request_draft import may_change
from restores.services.request_state import request_move
from restores.states import RestoreState


@transaction.atomic
def restore_cancel(*, actor: Actor, request: RestoreRequest, reason: str = "") -> RestoreRequest:
    """Raises `restore.not_open`: a run that began is cancelled as a job, at its next safe point."""
    row = RestoreRequest.objects.select_for_update().get(pk=request.pk)
    may_change(actor, row)
    words = " ".join(reason.split())[:500] or "Nothing was touched."
    request_move(
        actor=actor, request=row, to=RestoreState.CANCELLED, ended_at=clock.now(),
        ended_by=actor_name(actor), ended_reason=words, data={"reason": words},
    )  # fmt: skip
    alert_resolve(waiting_key(row), reason="It was cancelled.")
    return row


def restores_expire() -> int:
    """By the clock, once a minute: what was not signed, or not started, in time. How many lapsed."""
    now = clock.now()
    late = [
        *RestoreRequest.objects.filter(state=RestoreState.AWAITING, approval_until__lte=now),
        *RestoreRequest.objects.filter(state=RestoreState.APPROVED, execute_until__lte=now),
    ]
    for row in late:
        was = "signed" if row.state == RestoreState.AWAITING else "started"
        with transaction.atomic():
            request_move(
                actor="system", request=row, to=RestoreState.EXPIRED, ended_at=now, ended_by="system",
                ended_reason=f"It was not {was} in time; nothing was touched.",
            )  # fmt: skip
            alert_resolve(waiting_key(row), reason="It lapsed.")
    return len(late)
