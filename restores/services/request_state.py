"""The one place where the state of a restore request changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.services.access import Actor
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.audit import audit_record
from restores.models import RestoreRequest
from restores.states import ENDED, RESTORE_TRANSITIONS, RestoreState


def request_move(
    *,
    actor: Actor,
    request: RestoreRequest,
    to: RestoreState,
    data: Mapping[str, Any] | None = None,
    **columns: Any,
) -> None:
    """One conditional UPDATE, `columns` with it, plus an event, in the caller's transaction. The plan it was
    read with must still be the plan. Rows that were compared go when it ends.

    Raises `restore.state_changed` when somebody was quicker or the plan became another one, ValueError for a
    step that is not in the table.
    """
    old = RestoreState(request.state)
    if to in ENDED:
        columns["comparison_sealed"] = ""
    if to not in RESTORE_TRANSITIONS[old]:
        raise ValueError(f"a restore request never goes from {old} to {to}")
    rows = RestoreRequest.objects.filter(pk=request.pk, state=old, plan_hash=request.plan_hash)
    if not rows.update(state=to, **columns):
        raise ForeseenError(
            "restore.state_changed",
            f"The restore {request.restore_id} changed meanwhile: it is not {old.label.lower()} any more, or "
            "its plan is another one.",
            "Look at it again and repeat what you wanted.",
        )
    request.state = to
    for name, value in columns.items():
        setattr(request, name, value)
    facts = {"restore": request.restore_id, "from": str(old), "to": str(to)} | dict(data or {})
    audit_record(actor=actor, verb=f"restore.{to}", subject=request.subject, data=facts)
