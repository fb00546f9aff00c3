"""A run from its first step that is not done to its end, by whichever worker has it.

Between two steps lies a safe point. What goes wrong before a swap leaves the server untouched; after it the
swap is taken back. How things were left is said in the request's own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction

from dataprotect.core import clock, steps
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError, LeaseLost
from dataprotect.engine import replace
from dataprotect.engine.replace_model import Origin
from dataprotect.ops.context import JobContext
from dataprotect.ops.services.alert_raise import alert_raise
from restores.models import RestoreRequest, RestoreRun, RestoreStep, RollbackPoint
from restores.services import run_clone, run_database, run_deliver, run_tables
from restores.services.engine_requests import replace_request
from restores.services.request_state import request_move
from restores.services.rollback_run import point_use
from restores.services.run_record import step_begin, step_failed
from restores.services.run_work import Work
from restores.services.stop_triggers import restore_failed_validation
from restores.states import ACTIVE, RestoreState, RollbackState, Scope, StepState

STEPS: dict[str, Callable[[Work, RestoreStep], None]] = {
    "fresh_backup": run_clone.fresh_backup,
    "clone": run_clone.clone,
    "clone_check": run_clone.clone_check,
    "load": run_database.load,
    "validate": run_database.validate,
    "swap": run_database.swap,
    "compare": run_tables.compare,
    "rescue": run_tables.rescue,
    "base_backup": run_clone.base_backup,
    "logs": run_clone.logs,
    "drop_clone": run_clone.drop_clone,
    "deliver": run_deliver.deliver,
}
_VALIDATION = frozenset({"restore.not_valid", "restore.unhealthy", "restore.rows_missing"})


def restore_run(*, context: JobContext, request_pk: int) -> dict[str, Any]:
    """Raises what ended it, after the request says in which state things were left."""
    request = (
        RestoreRequest.objects.select_related("instance__tier", "target_instance", "backup")
        .get(pk=request_pk)
    )  # fmt: skip
    run = RestoreRun.objects.select_related("clone__backup").get(request=request)
    work = Work(context, request, run)
    if request.state not in ACTIVE:
        return _summary(work)
    for step in run.steps.exclude(state__in=(StepState.DONE, StepState.SKIPPED)).order_by("position"):
        try:
            context.checkpoint()
            work.refuse_overlong()
            step_begin(context, request, step)
            _step_of(request, step.kind)(work, step)
            steps.reached(f"restore.{step.kind}.recorded")
        except LeaseLost:
            raise  # the worker that has it now writes what there is to say
        except (Cancelled, EmergencyStop) as error:
            _stopped(work, step, str(error))
            raise
        except ForeseenError as error:
            _failed(work, step, error)
            raise
    _completed(work)
    return _summary(work)


def _step_of(request: RestoreRequest, kind: str) -> Callable[[Work, RestoreStep], None]:
    if kind == "watch":
        return run_tables.watch if request.scope == Scope.TABLE else run_database.watch
    return STEPS[kind]


def _completed(work: Work) -> None:
    with transaction.atomic():
        work.context.hold()
        now = clock.now()
        RestoreRun.objects.filter(pk=work.run.pk).update(ended_at=now)
        request_move(
            actor=work.context.actor, request=work.request, to=RestoreState.COMPLETED, ended_at=now,
            ended_by=work.context.actor, ended_reason=work.run.message[:1000],
        )  # fmt: skip


def _stopped(work: Work, step: RestoreStep, why: str) -> None:
    """At a safe point. What was swapped stays so and can be rolled back; what was not is untouched."""
    step_failed(work.context, step, f"Stopped: {why}")
    _discard_staged(work)
    _end(work, RestoreState.STOPPED, f"{why} {_left(work)}")


def _failed(work: Work, step: RestoreStep, error: ForeseenError) -> None:
    step_failed(work.context, step, f"{error.message} {error.action}")
    back = _take_back(work, step, error.message)
    _discard_staged(work)
    run_clone.drop(work)
    ready = work.run.rollback_points.filter(state=RollbackState.READY).exists()
    state = (
        RestoreState.ROLLED_BACK
        if back and not ready
        else RestoreState.STOPPED
        if back
        else RestoreState.FAILED
    )
    _end(work, state, f"{error.message} {_left(work)}")
    alert_raise(
        rule="restore_failed", severity="critical", subject=work.request.subject,
        title=f"The restore {work.request.restore_id} did not succeed: it is {state.label.lower()}.",
        detail=work.request.ended_reason, link=f"/restores/{work.request.restore_id}/",
    )  # fmt: skip
    if error.code in _VALIDATION:
        restore_failed_validation()


def _take_back(work: Work, step: RestoreStep, why: str) -> bool:
    """What this step's database was swapped to, or rescued, is taken back at once. True when it was."""
    if step.kind not in ("swap", "watch", "rescue"):
        return False
    point = work.run.rollback_points.filter(
        database=step.database, state__in=(RollbackState.READY, RollbackState.MAKING)
    ).first()
    if point is None or not _is_in_use(work, point):
        return False
    point_use(work.context, work.request, point, f"Automatic: {why}"[:500], automatic=True)
    return True


def _is_in_use(work: Work, point: RollbackPoint) -> bool:
    if "origin" not in point.facts:
        return point.state == RollbackState.READY
    request = replace_request(work.request, point.database)
    return replace.standing(request, Origin(**point.facts["origin"])).place == "swapped"


def _discard_staged(work: Work) -> None:
    """What was loaded and is not in use takes room and helps nobody."""
    for step in work.run.steps.filter(kind="load").exclude(evidence={}):
        if "origin" not in step.evidence:
            continue
        request, origin = replace_request(work.request, step.database), Origin(**step.evidence["origin"])
        try:
            if replace.standing(request, origin).place in ("staged", "loading"):
                replace.discard(request, origin, "staged")
        except ForeseenError as error:
            work.context.note(f"What was loaded for {step.database} stays for now: {error.message}")


def _left(work: Work) -> str:
    """In what state every target is, in words."""
    points = {point.database: point for point in work.run.rollback_points.all()}
    names = list(work.request.databases) or [
        work.request.target_instance.name if work.request.target_instance else ""
    ]
    said = []
    for name in names:
        point = points.get(name)
        if point is None or point.state == RollbackState.MAKING:
            said.append(f"{name} was not touched" if name else "No server was touched")
        elif point.state == RollbackState.READY:
            until = clock.iso(point.keep_until) if point.keep_until else "its deadline"
            said.append(f"{name} is the restored one and can be rolled back until {until}")
        elif point.state == RollbackState.USED:
            said.append(f"{name} was rolled back and is as it was before")
        else:
            said.append(f"{name}: {point.get_state_display().lower()}")
    return "; ".join(said) + "."


def _end(work: Work, state: RestoreState, reason: str) -> None:
    with transaction.atomic():
        work.context.hold()
        now = clock.now()
        RestoreRun.objects.filter(pk=work.run.pk).update(ended_at=now)
        request_move(
            actor=work.context.actor, request=work.request, to=state, ended_at=now,
            ended_by=work.context.actor, ended_reason=reason[:1000], data={"left": reason[:1000]},
        )  # fmt: skip


def _summary(work: Work) -> dict[str, Any]:
    run = RestoreRun.objects.get(pk=work.run.pk)
    return {
        "restore_id": work.request.restore_id,
        "state": work.request.state,
        "message": run.message,
        "rto_seconds": run.rto_seconds,
        "rpo_seconds": run.rpo_seconds,
    }
