"""What a restore keeps for its rollback goes when its time is over."""

from __future__ import annotations

from django.db.models import QuerySet

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import full_system, replace, table_rescue
from dataprotect.engine.replace_model import Origin
from dataprotect.ops import queue, states
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from restores.models import RestoreStep, RollbackPoint
from restores.services.engine_requests import replace_request, rescue_target
from restores.services.rollback_run import point_move, undone_drop
from restores.services.run_end import staged_drop
from restores.services.system_request import origin_of, system_request
from restores.states import RestoreState, RollbackKind, RollbackState

RUN = "restores.tasks.run_rollback_points"


def points_expire_start() -> Job | None:
    """A job when something is due and none works on it; by the clock, so it waits for nothing."""
    if not (_late().exists() or _staged().exists()):
        return None
    if Job.objects.filter(task=RUN, state__in=states.ACTIVE).exists():
        return None
    title = "Drop what restores kept beyond its time"
    return queue.enqueue(RUN, actor="system", title=title, exclusive="rollback-points")


def rollback_points_expire(context: JobContext) -> int:
    """How many things are gone. What cannot be dropped now is tried again the next time."""
    gone = 0
    for point in _late().select_related("run__request__target_instance", "run__request__instance"):
        context.checkpoint()
        try:
            _drop(context, point)
        except ForeseenError as error:
            context.note(f"{point.database} of {point.run.request.restore_id} is kept on: {error.message}")
            continue
        gone += 1
    for step in _staged().select_related("run__request__target_instance", "run__request__instance"):
        context.checkpoint()
        try:
            staged_drop(step.run.request, step)
        except ForeseenError as error:
            context.note(
                f"What was loaded for {step.database or 'the server'} stays for now: {error.message}"
            )
            continue
        gone += 1
    return gone


def _late() -> QuerySet[RollbackPoint]:
    """What was kept for a rollback, and what a rollback put aside."""
    standing = (RollbackState.READY, RollbackState.FAILED, RollbackState.USED)
    return RollbackPoint.objects.filter(state__in=standing, keep_until__lte=clock.now())


def _staged() -> QuerySet[RestoreStep]:
    """What was loaded and never taken into use, of runs that ended without having dropped it."""
    return RestoreStep.objects.filter(
        run__request__state__in=(RestoreState.STOPPED, RestoreState.FAILED, RestoreState.ROLLED_BACK),
        kind__in=("load", "restore_files"), evidence__has_key="origin",
    ).exclude(evidence__has_key="staged_gone")  # fmt: skip


def _drop(context: JobContext, point: RollbackPoint) -> None:
    request = point.run.request
    if point.state == RollbackState.USED:
        undone_drop(context, request, point)
        return
    if point.kind == RollbackKind.TABLE_UNDO:
        table_rescue.forget_undo(rescue_target(request), request.restore_id)
    elif point.kind == RollbackKind.RENAMED_DATABASE:
        origin = Origin(**point.facts["origin"])
        replace.discard(replace_request(request, point.database), origin, "kept")
    elif point.kind == RollbackKind.KEPT_DIRECTORY:
        full_system.discard(system_request(request), origin_of(point.facts["origin"]), "kept")
    point_move(context, point, RollbackState.GONE)
