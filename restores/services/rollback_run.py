"""Putting things back as they were: by name or by the undo record, measured, and validated afterwards."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from catalog.services.access import Actor, came_by_token, require
from dataprotect.core import clock, steps
from dataprotect.core.errors import Cancelled, ForeseenError, InvalidInput
from dataprotect.engine import full_system, replace, table_rescue
from dataprotect.engine.model import as_plain
from dataprotect.engine.replace_model import Origin
from dataprotect.ops import queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from dataprotect.ops.step_up import require_fresh
from restores.models import RestoreRequest, RollbackPoint
from restores.services.engine_requests import (
    replace_request,
    rescue_target,
    target_of_server,
)
from restores.services.request_state import request_move
from restores.services.restore_account import restore_settings
from restores.services.restore_alert import restore_alert
from restores.services.rollback_put_back import put_back
from restores.services.run_holder import Holder
from restores.services.system_request import origin_of, system_request
from restores.states import (
    ACTIVE,
    ROLLBACK_TRANSITIONS,
    RestoreState,
    RollbackKind,
    RollbackState,
)

RUN = "restores.tasks.run_rollback"
_USABLE = (RollbackState.READY, RollbackState.FAILED)


def rollback_start(
    *, actor: Actor, request: RestoreRequest, reason: str, fresh_at: datetime | None = None
) -> Job:
    """Queue the rollback of everything this restore changed. It needs no second person: it takes back.

    Raises `access.denied`, `access.step_up`, `rollback.nothing`, `rollback.running`, InvalidInput.
    """
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise InvalidInput("reason", "Expected why it is rolled back.")
    target = request.affected
    require(actor=actor, permission="catalog.restore_instance", instance=target)
    if isinstance(actor, User):
        if came_by_token(actor):
            raise ForeseenError(
                "restore.not_a_person", "A token never rolls a restore back.", "Do it in the dashboard."
            )
        require_fresh(fresh_at=fresh_at)
    request.refresh_from_db(fields=["state"])
    if request.state in ACTIVE:
        raise ForeseenError(
            "rollback.running", "The restore is still running.",
            "Cancel it first: it stops at its next safe point.",
        )  # fmt: skip
    if not points_of(request):
        raise ForeseenError(
            "rollback.nothing", f"Nothing of {request.restore_id} can be rolled back any more.",
            "Its rollback points were used, or their time is over.",
        )  # fmt: skip
    return queue.enqueue(
        RUN, arguments={"request_pk": request.pk, "reason": reason}, actor=actor,
        subject=request.instance.subject, title=f"Roll back {request.restore_id}",
        exclusive=target.restoring_key,
    )  # fmt: skip


def points_of(request: RestoreRequest) -> list[RollbackPoint]:
    """What can be put back, the newest first."""
    return list(
        RollbackPoint.objects.filter(run__request=request, state__in=_USABLE).order_by("-made_at", "-pk")
    )


def rollback_run(*, context: JobContext, request_pk: int, reason: str) -> dict[str, Any]:
    """Every point of the request, newest first; then the request itself is rolled back."""
    request = RestoreRequest.objects.select_related("instance", "target_instance").get(pk=request_pk)
    rows = RollbackPoint.objects.filter(
        run__request=request, state__in=(*_USABLE, RollbackState.ROLLING_BACK)
    ).order_by("-made_at", "-pk")
    measured = {point.database: point_use(context, request, point, reason, automatic=False) for point in rows}
    if request.state != RestoreState.ROLLED_BACK:
        with transaction.atomic():
            context.hold()
            request_move(
                actor=context.actor, request=request, to=RestoreState.ROLLED_BACK, ended_at=clock.now(),
                ended_by=context.actor, ended_reason=f"Rolled back: {reason}"[:1000],
            )  # fmt: skip
    return {"restore_id": request.restore_id, "seconds": measured}


def point_use(
    context: JobContext, request: RestoreRequest, point: RollbackPoint, reason: str, *, automatic: bool
) -> float:
    """Put one target back; the seconds it took. Safe to repeat: what was put back already stays so.

    Raises what the engine foresees, and `rollback.not_valid` when something else is in use afterwards; the
    point is then `failed` and can be used again.
    """
    until = point.keep_until or keep_until(request)
    point_move(
        context, point, RollbackState.ROLLING_BACK, reason=reason, automatic=automatic, used_by=context.actor,
        keep_until=until,
    )  # fmt: skip
    steps.reached("rollback.begun")
    began = time.monotonic()
    try:
        checks = put_back(_Uncancelled(context) if automatic else context, request, point)
    except Exception as error:
        point_move(context, point, RollbackState.FAILED)
        why = error.message if isinstance(error, ForeseenError) else type(error).__name__
        name = point.database or target_of_server(request).name
        rollback_failed(request, f"{name}: {why} It can be tried again.")
        raise
    steps.reached("rollback.put_back")
    seconds = time.monotonic() - began
    validation = [as_plain(check) for check in checks]
    point_move(
        context, point, RollbackState.USED, used_at=clock.now(), measured_seconds=seconds,
        validation=validation,
    )  # fmt: skip
    context.note(f"{point.database or 'The server'} is as it was before; it took {seconds:.1f} s.")
    return seconds


class _Uncancelled:
    """What undoes itself is no longer cancelled halfway: that would leave in use what does not serve."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.phase = context.phase
        self.advance = context.advance
        self.note = context.note

    def checkpoint(self) -> None:
        with contextlib.suppress(Cancelled):
            self._context.checkpoint()


def rollback_failed(request: RestoreRequest, detail: str) -> None:
    """The alert of a rollback that did not come to its end."""
    restore_alert(
        request=request, rule="restore_failed", severity="critical",
        title=f"Rolling the restore {request.restore_id} back did not succeed.",
        detail=detail,
    )  # fmt: skip


def keep_until(request: RestoreRequest) -> datetime:
    """The deadline of what is kept from now on."""
    return clock.now() + timedelta(hours=restore_settings(target_of_server(request)).keep_hours)


def undone_drop(holder: Holder, request: RestoreRequest, point: RollbackPoint) -> None:
    """What was restored and then rolled back goes. Raises ForeseenError when it cannot be done now."""
    if point.kind == RollbackKind.RENAMED_DATABASE:
        origin = Origin(**point.facts["origin"])
        freed = replace.discard(replace_request(request, point.database), origin, "undone")
        holder.note(f"The restored copy of {point.database} is gone: {freed} bytes are free again.")
    elif point.kind == RollbackKind.TABLE_UNDO:
        table_rescue.forget_undo(rescue_target(request), request.restore_id)
    elif point.kind == RollbackKind.KEPT_DIRECTORY:
        origin_before = origin_of(point.facts["origin"])
        freed = full_system.discard(system_request(request), origin_before, "restored")
        holder.note(f"The restored data directory is gone: {freed} bytes are free again.")
    point_move(holder, point, RollbackState.GONE)


def point_move(holder: Holder, point: RollbackPoint, to: RollbackState, **columns: Any) -> None:
    """One conditional UPDATE and its event. Raises `rollback.changed` when somebody was quicker, ValueError
    for a step that is not in the table.
    """
    old = RollbackState(point.state)
    if to not in ROLLBACK_TRANSITIONS[old]:
        raise ValueError(f"a rollback point never goes from {old} to {to}")
    with transaction.atomic():
        holder.hold()
        if not RollbackPoint.objects.filter(pk=point.pk, state=old).update(state=to, **columns):
            raise ForeseenError(
                "rollback.changed", f"The rollback point of {point.database} changed meanwhile.",
                "Look at it again and repeat what you wanted.",
            )  # fmt: skip
        for name, value in {"state": to, **columns}.items():
            setattr(point, name, value)
        data = {"restore": point.run.request.restore_id, "database": point.database} | {
            name: value
            for name, value in columns.items()
            if name in ("reason", "automatic", "measured_seconds")
        }
        audit_record(actor=holder.actor, verb=f"rollback.{to}", subject=point.run.request.subject, data=data)
